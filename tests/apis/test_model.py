"""init_model: what it takes, what it refuses and what the model answers."""

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer

from slotkd.apis import init_model
from slotkd.models.video import SlotVideoModel
from slotkd.registry import MODELS
from tests import tiny

B, T, K, D, C, E = 2, 3, 4, 16, 12, 16
GRID = (4, 6)
N = GRID[0] * GRID[1]


@pytest.fixture
def config():
    return Config(dict(default_scope='slotkd', model=tiny.slot_model()))


@pytest.fixture
def checkpoint(tmp_path):
    """Return weights and the path of a checkpoint that holds them."""
    state = tiny.build(tiny.slot_model()).state_dict()
    path = tmp_path / 'model.pth'
    torch.save(dict(state_dict=state, meta=dict(iter=3)), path)
    return state, str(path)


@pytest.mark.parametrize('kind', ['config', 'str', 'path'])
def test_takes_a_config_or_the_path_of_one(config, tmp_path, kind):
    path = tmp_path / 'config.py'
    config.dump(path)
    source = {'config': config, 'str': str(path), 'path': path}[kind]
    model = init_model(source)
    assert isinstance(model, SlotVideoModel)
    assert model.cfg.model.decoder.grid == GRID


def test_all_parts_are_in_eval_mode(config):
    assert not any(module.training for module in init_model(config).modules())


def test_loads_all_weights(config, checkpoint):
    state, path = checkpoint
    loaded = init_model(config, path).state_dict()
    torch.testing.assert_close(dict(loaded), dict(state), rtol=0, atol=0)


def test_moves_to_the_device(config):
    model = init_model(config, device='meta')
    assert {p.device.type for p in model.parameters()} == {'meta'}


def test_the_record_has_the_named_shapes(config):
    clips = tiny.clips(B, T, GRID)
    assert clips.dtype == torch.float32
    out = init_model(config)(clips, mode='tensor')
    shapes = dict(
        slots=(B, T, K, D),
        slots_init=(B, K, D),
        attn=(B, T, K, N),
        attn_logits=(B, T, K, N),
        masks=(B, T, K, N),
        mask_logits=(B, T, K, N),
        recon=(B, T, N, C),
        feats=(B, T, N, C),
        tokens=(B, T, N, E),
    )
    for name, shape in shapes.items():
        assert getattr(out, name).shape == shape
        assert getattr(out, name).dtype == torch.float32
    assert out.grid == GRID
    for maps in (out.attn, out.masks):
        torch.testing.assert_close(maps.sum(dim=2), torch.ones(B, T, N))


def test_inputs_are_taken_as_normalised(config):
    plain = init_model(config)
    config.model.data_preprocessor = dict(
        type='VideoDataPreprocessor', mean=[99.0] * 3, std=[7.0] * 3
    )
    normalising = init_model(config)
    normalising.load_state_dict(plain.state_dict(), strict=False)
    clips = tiny.clips()
    torch.testing.assert_close(normalising(clips).slots, plain(clips).slots)


def test_a_missing_config_is_named():
    with pytest.raises(FileNotFoundError, match='config no/where.py does not'):
        init_model('no/where.py')


def test_a_config_without_model_is_named(tmp_path):
    path = tmp_path / 'empty.py'
    path.write_text("default_scope = 'slotkd'\n")
    with pytest.raises(ValueError, match='empty.py: model is missing'):
        init_model(path)


def test_a_misspelt_argument_is_named(config):
    config.model.corrector.slot_dm = 3
    with pytest.raises(ValueError, match=r"'slot_dm'; did you mean 'slot_di"):
        init_model(config)


def test_an_unknown_device_is_named(config):
    with pytest.raises(ValueError, match='device abacus'):
        init_model(config, device='abacus')


def test_nothing_is_printed(config, checkpoint, capfd):
    init_model(config)
    init_model(config, checkpoint[1])
    assert capfd.readouterr() == ('', '')


def test_a_missing_checkpoint_is_named(config):
    with pytest.raises(FileNotFoundError, match='nowhere.pth'):
        init_model(config, 'nowhere.pth')


@pytest.mark.parametrize(
    ('change', 'told'),
    [
        (
            dict(slot_dim=24),
            r'slots has shape \(1, 4, 16\), the model \(1, 4, 24\)',
        ),
        (
            dict(num_slots=5),
            r'slots has shape \(1, 4, 16\), the model \(1, 5, 16\)',
        ),
        (dict(predictor=None), r'unexpected predictor\.'),
    ],
)
def test_weights_that_do_not_fit_are_named(checkpoint, change, told):
    config = Config(dict(model=tiny.slot_model(**change)))
    with pytest.raises(ValueError, match=f'model.pth does not .*{told}') as e:
        init_model(config, checkpoint[1])
    assert '\n' not in str(e.value)


def test_a_checkpoint_that_lacks_a_weight_is_named(
    config, checkpoint, tmp_path
):
    state = dict(checkpoint[0])
    del state['corrector.to_q.weight']
    path = tmp_path / 'lacking.pth'
    torch.save(dict(state_dict=state), path)
    with pytest.raises(ValueError, match='missing corrector.to_q.weight'):
        init_model(config, str(path))


@pytest.fixture
def distiller():
    """Return the config of a distiller whose teacher's file is nowhere."""
    slot_match = dict(type='SlotMatchLoss', student_dim=16, teacher_dim=24)
    model = dict(
        type='Distiller',
        student=tiny.slot_model(),
        teacher=tiny.slot_model(slot_dim=24),
        teacher_checkpoint='nowhere.pth',
        distill_losses=dict(slot_match=slot_match),
    )
    return Config(dict(model=model))


def test_a_trained_distiller_needs_no_teacher(distiller, tmp_path):
    state = MODELS.build(distiller.model).state_dict()
    path = tmp_path / 'distiller.pth'
    torch.save(dict(state_dict=state), path)
    model = init_model(distiller, str(path))
    start = model(tiny.clips()).slots_init[:1]
    assert torch.equal(start, state['student.initializer.slots'])
    assert not model._holder.is_loaded


def test_a_new_distiller_needs_its_teacher(distiller):
    with pytest.raises(FileNotFoundError, match='nowhere.pth'):
        init_model(distiller)


def test_any_model_takes_any_run(distiller, config, checkpoint, tmp_path):
    whole = MODELS.build(distiller.model)
    path = tmp_path / 'distiller.pth'
    torch.save(dict(state_dict=whole.state_dict()), path)
    student = init_model(config, path).state_dict()
    expected = whole.student.state_dict()
    assert all(torch.equal(student[key], expected[key]) for key in expected)
    loaded = init_model(distiller, checkpoint[1]).student.state_dict()
    alone = checkpoint[0]
    assert all(torch.equal(loaded[key], alone[key]) for key in alone)


def test_the_terms_of_a_run_are_loaded_where_there_are_any(
    distiller, tmp_path
):
    whole = MODELS.build(distiller.model)
    torch.save(whole.state_dict(), tmp_path / 'distiller.pth')
    loaded = init_model(distiller, tmp_path / 'distiller.pth').state_dict()
    terms = [key for key in loaded if key.startswith('distill_losses.')]
    assert terms
    state = whole.state_dict()
    assert all(torch.equal(loaded[key], state[key]) for key in terms)


def test_a_training_checkpoint_loads_in_silence(
    config, checkpoint, tmp_path, capfd
):
    history = dict(log_scalars={'loss': HistoryBuffer([1.0], [1])})
    path = tmp_path / 'iter_8.pth'
    torch.save(dict(state_dict=checkpoint[0], message_hub=history), path)
    init_model(config, path)
    assert capfd.readouterr() == ('', '')
