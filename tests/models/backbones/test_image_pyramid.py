"""The encoders of mask propagation: channels, sizes, parameters, freezing."""

import pytest
import torch
from mmengine.config import Config
from torch import nn

from slotkd.models.backbones import ImagePyramid
from slotkd.registry import MODELS

# Section 2 of the specification, measured for 465 x 465 pixels.
SIZES = (117, 59, 30, 30)
TABLE = {
    'vos_deform_mv2': ((24, 32, 96, 320), 1_811_712),
    'vos_deform_r50': ((256, 512, 1024), 8_562_528),
}


@pytest.mark.parametrize('name', TABLE)
def test_channels_sizes_and_parameters(name, repo):
    dims, parameters = TABLE[name]
    path = repo / 'configs' / '_base_' / 'models' / f'{name}.py'
    config = Config.fromfile(path)[name].backbone
    config.backbone.init_cfg = config.init_cfg = None
    with torch.device('meta'):
        inner = MODELS.build(config.backbone)
    assert sum(p.numel() for p in inner.parameters()) == parameters
    inner.eval()  # mmseg returns nothing here
    maps = inner(torch.zeros(1, 3, 465, 465, device='meta'))
    assert [m.shape[1] for m in maps] == list(dims)
    assert [m.shape[2] for m in maps] == list(SIZES[: len(dims)])
    assert MODELS.build(config).feat_dims == dims


def test_stem_and_stride_4_of_the_student_are_frozen(repo):
    path = repo / 'configs' / '_base_' / 'models' / 'vos_deform_mv2.py'
    config = Config.fromfile(path).vos_deform_mv2.backbone
    config.init_cfg = None
    pyramid = MODELS.build(config)
    frozen = {
        name.split('.')[1]
        for name, weight in pyramid.named_parameters()
        if not weight.requires_grad
    }
    assert frozen == {'conv1', 'layer1', 'layer2'}
    pyramid.train()
    norms = [m for m in pyramid.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms and not any(norm.training for norm in norms)


def test_weights_load_strictly(tmp_path, repo):
    config = dict(
        type='ImagePyramid',
        backbone=dict(type='ConvPyramid', dims=(8, 8, 8, 8)),
    )
    pyramid = MODELS.build(config)
    weights = pyramid.backbone.state_dict()
    torch.save(weights, tmp_path / 'all.pth')
    del weights['stages.0.0.weight']
    torch.save(weights, tmp_path / 'some.pth')
    other = MODELS.build(config)
    other.load_weights(tmp_path / 'all.pth')
    for name, value in pyramid.state_dict().items():
        assert torch.equal(other.state_dict()[name], value)
    with pytest.raises(ValueError, match='stages.0.0.weight'):
        other.load_weights(tmp_path / 'some.pth')


def test_other_strides_are_refused():
    with pytest.raises(ValueError, match=r'strides \(8,\), mask propagation'):
        ImagePyramid(nn.Conv2d(3, 4, 8, 8))
