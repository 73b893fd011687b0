"""mmsegmentation's backbones as the backbone of a slot model."""

import pytest
import torch

from slotkd.registry import MODELS

MIT = dict(embed_dims=8, num_layers=[1, 1, 1, 1], num_heads=[1, 2, 2, 4])
SWIN = dict(embed_dims=16, depths=(1, 1, 1, 1), num_heads=(1, 2, 4, 8))
TWINS = dict(
    embed_dims=[8, 16, 24, 32],
    num_heads=[1, 2, 3, 4],
    depths=[1, 1, 1, 1],
    norm_after_stage=False,
)
VIT = dict(img_size=64, patch_size=8, embed_dims=24, num_layers=2, num_heads=3)
MSCAN = dict(
    embed_dims=[8, 16, 24, 32],
    depths=[1, 1, 1, 1],
    norm_cfg=dict(type='BN'),
)
# Type, options, which maps, and the stride of the first of them.
BACKBONES = [
    ('ResNetV1c', dict(depth=18), (1, 3), 8),
    ('ResNet', dict(depth=18), -1, 32),
    ('MobileNetV2', dict(widen_factor=0.25), (0, 2), 4),
    ('MobileNetV3', dict(), 1, 4),
    ('MixVisionTransformer', MIT, (0, 3), 4),
    ('SwinTransformer', SWIN, (1, 2), 8),
    ('VisionTransformer', VIT, -1, 8),
    ('PCPVT', TWINS | dict(sr_ratios=[8, 4, 2, 1]), (1, 2), 8),
    ('MSCAN', MSCAN, (0, 1, 2, 3), 4),
    ('BiSeNetV2', dict(), 0, 8),
    ('ERFNet', dict(), 0, 2),
    ('FastSCNN', dict(), (0, 1), 8),
]


@pytest.mark.parametrize(
    ('kind', 'options', 'out_index', 'stride'),
    BACKBONES,
    ids=[kind for kind, *_ in BACKBONES],
)
def test_levels_are_chosen_by_index(kind, options, out_index, stride):
    net = MODELS.build(
        dict(
            type='ImageBackbone',
            backbone=dict(type=f'mmseg.{kind}', **options),
            out_index=out_index,
            frozen=False,
        )
    )
    images = torch.randn(2, 3, 64, 96)
    maps = net.eval().backbone(images)
    maps = [maps] if isinstance(maps, torch.Tensor) else maps
    indices = [out_index] if isinstance(out_index, int) else out_index
    joined = net(images)
    assert net.patch_size == stride
    assert net.feat_dim == sum(maps[i].shape[1] for i in indices)
    assert joined.shape == (2, net.feat_dim, 64 // stride, 96 // stride)
    torch.testing.assert_close(
        joined[:, : maps[indices[0]].shape[1]], maps[indices[0]]
    )
    joined.mean().backward()
    assert any(p.grad is not None for p in net.parameters())
