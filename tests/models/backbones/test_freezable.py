import copy

import pytest
import torch
from torch import nn

from slotkd.models.backbones import FreezableBackbone, optional_weights
from slotkd.registry import MODELS
from tests import official


class Toy(FreezableBackbone):
    """One layer that is read and one that is not."""

    def __init__(self, frozen=True, allow_random=False, *, init_cfg=None):
        super().__init__(frozen, allow_random, init_cfg=init_cfg)
        self.read = nn.Conv2d(3, 4, 1)
        self.drop = nn.Dropout(0.9)
        self.spare = nn.Linear(2, 2, bias=False)
        self.freeze()

    def optional_weights(self):
        return frozenset(['spare.weight'])

    def forward(self, images, also=()):
        with self.computing(also):
            return self.drop(self.read(images))


IMAGES = torch.ones(1, 3, 2, 2)


def test_frozen_means_eval_without_gradient():
    toy = Toy(allow_random=True).train()
    assert not toy.training and not toy.drop.training
    assert not toy(IMAGES).requires_grad
    assert not any(p.requires_grad for p in toy.parameters())
    free = Toy(frozen=False).train()
    assert free.drop.training
    assert free(IMAGES).requires_grad
    with torch.no_grad():
        assert not free(IMAGES).requires_grad


def test_all_weights_that_are_read_must_have_been_loaded():
    toy, state = Toy(), Toy().state_dict()
    for names in (['read.weight'], ['read.weight', 'spare.weight']):
        toy.load_state_dict({k: state[k] for k in names}, strict=False)
        with pytest.raises(RuntimeError, match=r'read\.bias was never loaded'):
            toy(IMAGES)
    toy.load_state_dict({'read.bias': state['read.bias']}, strict=False)
    toy(IMAGES, ['spare.weight'])
    copy.deepcopy(toy)(IMAGES)


def test_optional_weights_are_asked_for_when_read():
    toy = Toy()
    state = toy.state_dict()
    del state['spare.weight']
    toy.load_state_dict(state, strict=False)
    toy(IMAGES)
    with pytest.raises(RuntimeError, match=r'spare\.weight was never loaded'):
        toy(IMAGES, ['spare.weight'])


def test_optional_weights_of_a_model_have_full_names():
    model = nn.ModuleDict({'a': nn.Sequential(Toy()), 'b': nn.Linear(1, 1)})
    assert optional_weights(model) == {'a.0.spare.weight'}
    assert optional_weights(Toy()) == {'spare.weight'}


def test_the_right_part_of_a_file_is_taken(tmp_path):
    source = Toy()
    state = {f'student.net.{k}': v for k, v in source.state_dict().items()}
    state['student.network.x'] = torch.zeros(1)
    torch.save({'state_dict': state}, tmp_path / 'a.pth')
    for prefix in ('student.net', 'student.net.'):
        toy = Toy()
        toy.load_weights(tmp_path / 'a.pth', prefix)
        torch.testing.assert_close(toy.read.weight, source.read.weight)
        toy(IMAGES)


def test_unknown_options_of_init_cfg_are_named(tmp_path):
    init_cfg = dict(type='Pretrained', checkpoint='x', map='cpu')
    with pytest.raises(ValueError, match=r"Toy has unknown keys \['map'\]"):
        Toy(init_cfg=init_cfg).init_weights()


def test_other_initializers_stay_mmengines():
    init_cfg = dict(type='Constant', layer='Conv2d', val=3.0)
    toy = Toy(frozen=False, init_cfg=init_cfg)
    toy.init_weights()
    assert (toy.read.weight == 3).all()


def test_loads_within_the_initialisation_of_a_whole_model(tmp_path):
    source = official.build(official.slot_model())
    torch.save(source.backbone.state_dict(), tmp_path / 'vit.pth')
    config = official.slot_model()
    config['backbone'] |= dict(
        allow_random=False,
        init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'vit.pth')),
    )
    model = MODELS.build(config)
    clips = torch.randn(1, 2, 3, 42, 56)
    with pytest.raises(RuntimeError, match='DinoViT is frozen'):
        model(clips)
    model.init_weights()
    torch.testing.assert_close(model(clips).feats, source(clips).feats)
