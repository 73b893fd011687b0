import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from slotkd.engine import StrictLoadHook
from slotkd.models.distillers.teacher_holder import load_teacher
from slotkd.models.video import load_slot_model, read_slot_weights
from slotkd.registry import MODELS
from tests import official, tiny_vos


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, target) -> None:
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.fixture
def published(tmp_path):
    """Write an official file; return its path and the model in it."""
    model = official.build(official.slot_model())
    state = official.official_state(model)
    state['projector2.projector.weight'] = torch.zeros(2)
    torch.save(dict(state_dict=state), tmp_path / 'official.ckpt')
    return tmp_path / 'official.ckpt', model


def strict_config(**changes) -> dict:
    """Return the same model's config, its backbone not to be random."""
    config = official.slot_model(**changes)
    backbone = dict(config['backbone'], allow_random=False)
    return config | dict(backbone=backbone)


def assert_same_features(ours, theirs) -> None:
    clips = torch.randn(1, 2, 3, 42, 56)
    with torch.no_grad():
        torch.testing.assert_close(ours(clips).recon, theirs(clips).recon)


def test_init_cfg_may_name_a_published_checkpoint(published):
    path, model = published
    config = strict_config(
        init_cfg=dict(type='Pretrained', checkpoint=str(path))
    )
    # The backbone's own file would be looked for in vain.
    config['backbone']['init_cfg'] = dict(
        type='Pretrained', checkpoint='nowhere.pth'
    )
    twin = MODELS.build(config)
    twin.init_weights()
    assert_same_features(twin, model)


@pytest.mark.parametrize('kind', ['slots', 'masks'])
@pytest.mark.parametrize(
    ('init_cfg', 'message'),
    [
        ([dict(type='Pretrained', checkpoint='x')], 'is a list, not a dict'),
        (dict(type='Pretrained'), r'needs checkpoint .* got \[\]'),
        (
            dict(type='Pretrained', checkpoint='x', map_location='cpu'),
            "got .'checkpoint', 'map_location'.",
        ),
    ],
)
def test_what_would_not_load_strictly_is_refused(kind, init_cfg, message):
    if kind == 'slots':
        model = MODELS.build(strict_config())
    else:
        model = tiny_vos.vos_model()
    model.init_cfg = init_cfg
    with pytest.raises(ValueError, match=message):
        model.init_weights()


def test_a_teacher_may_be_a_published_checkpoint(published):
    path, model = published
    teacher = MODELS.build(strict_config())
    load_teacher(teacher, str(path))
    assert_same_features(teacher, model)


def test_a_file_of_training_is_read_without_running_code(tmp_path):
    model = official.build(official.slot_model())
    target = tmp_path / 'made-by-the-bomb'
    content = dict(
        state_dict={f'student.{k}': v for k, v in model.state_dict().items()},
        message_hub=dict(log_scalars={'loss': HistoryBuffer([1.0], [1])}),
        meta=dict(seed=np.int64(3), iter=8),
        bomb=Bomb(target),
    )
    torch.save(content, tmp_path / 'iter_8.pth')
    weights = read_slot_weights(tmp_path / 'iter_8.pth')
    assert weights.keys() == content['state_dict'].keys()
    twin = MODELS.build(strict_config())
    load_slot_model(twin, tmp_path / 'iter_8.pth', prefix='student')
    assert_same_features(twin, model)
    assert not target.exists()


def test_weights_of_loss_terms_are_left_out(tmp_path):
    losses = dict(recon=dict(type='FeatureReconstructionLoss'))
    model = official.build(official.slot_model(losses=losses))
    state = model.state_dict() | {'losses.losses.x.proj': torch.zeros(1)}
    torch.save(state, tmp_path / 'a.pth')
    load_slot_model(model, tmp_path / 'a.pth')


def test_what_does_not_fit_is_listed(published, tmp_path):
    path, _ = published
    wider = MODELS.build(
        official.slot_model(
            decoder=dict(
                type='MLPDecoder',
                slot_dim=8,
                feat_dim=12,
                grid=(3, 4),
                hidden_dims=(10, 14, 9),
            )
        )
    )
    before = {k: v.clone() for k, v in wider.state_dict().items()}
    with pytest.raises(ValueError) as caught:
        load_slot_model(wider, path)
    assert 'official.ckpt does not fit; missing: decoder.layers.3.bias' in str(
        caught.value
    )
    assert 'decoder.layers.2.bias (13,) for (9,)' in str(caught.value)
    torch.testing.assert_close(dict(wider.state_dict()), before)
    with pytest.raises(FileNotFoundError, match='nowhere'):
        load_slot_model(wider, tmp_path / 'nowhere.pth')


def test_a_run_accepts_a_checkpoint_without_the_final_norm():
    model = official.build(official.slot_model())
    runner = SimpleNamespace(
        model=model,
        _train_loop=None,
        _resume=False,
        _load_from='a.pth',
        work_dir='.',
    )
    state = model.state_dict()
    del state['backbone.norm.weight'], state['backbone.norm.bias']
    StrictLoadHook().after_load_checkpoint(runner, dict(state_dict=state))
    del state['backbone.blocks.0.norm1.bias']
    with pytest.raises(ValueError, match=r'missing backbone\.blocks\.0'):
        StrictLoadHook().after_load_checkpoint(runner, dict(state_dict=state))


@pytest.mark.data
def test_the_published_layout_needs_no_conversion(shared):
    folder = shared / 'golden' / 'a'
    foreign = read_slot_weights(
        folder / 'slotcontrast_tiny_needs_unpickling.ckpt'
    )
    plain = read_slot_weights(folder / 'slotcontrast_tiny_step0.ckpt')
    assert foreign.keys() == plain.keys()
    assert 'omegaconf' not in sys.modules
