"""Small segmentors of mmsegmentation, and records as they give them."""

import torch

from slotkd.registry import MODELS
from slotkd.structures import SegOutput

NUM_CLASSES = 5


def record(
    num_classes: int = NUM_CLASSES,
    grid: tuple[int, int] = (4, 6),
    channels: tuple[int, ...] = (6, 8),
    dtype: torch.dtype = torch.float32,
    **fields,
) -> SegOutput:
    """Return a random record; each level halves the grid.

    Args:
        num_classes: Channels of the logits.
        grid: Grid of the logits and of the first level.
        channels: Channels of each level.
        dtype: Of the maps.
        fields: Fields to replace.
    """
    h, w = grid
    maps = dict(
        logits=torch.randn(2, num_classes, h, w, dtype=dtype),
        feats=tuple(
            torch.randn(2, c, h >> level, w >> level, dtype=dtype)
            for level, c in enumerate(channels)
        ),
    )
    return SegOutput(**maps | fields)


PREPROCESSOR = dict(
    type='SegDataPreProcessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
)
NORM = dict(type='BN')
LOSS = dict(type='CrossEntropyLoss', use_sigmoid=False, avg_non_ignore=True)


def fcn_head(in_channels: int, in_index: int, **options) -> dict:
    """Return the config of a small head on one level."""
    return (
        dict(
            type='FCNHead',
            in_channels=in_channels,
            in_index=in_index,
            channels=8,
            num_convs=1,
            concat_input=False,
            num_classes=NUM_CLASSES,
            norm_cfg=NORM,
            loss_decode=LOSS,
        )
        | options
    )


def segformer(width: int = 4, **options) -> dict:
    """Return the config of a tiny SegFormer, as mmsegmentation writes it.

    Args:
        width: Channels of the first level; the others have 2, 5 and 8 times
            as many.
        options: Keys to replace.
    """
    widths = [width * heads for heads in (1, 2, 5, 8)]
    return (
        dict(
            type='EncoderDecoder',
            data_preprocessor=PREPROCESSOR,
            backbone=dict(
                type='MixVisionTransformer',
                embed_dims=width,
                num_layers=[1, 1, 1, 1],
                num_heads=[1, 2, 5, 8],
                drop_path_rate=0.1,
            ),
            decode_head=dict(
                type='SegformerHead',
                in_channels=widths,
                in_index=[0, 1, 2, 3],
                channels=2 * width,
                dropout_ratio=0.1,
                num_classes=NUM_CLASSES,
                norm_cfg=NORM,
                loss_decode=LOSS,
            ),
            train_cfg=dict(),
            test_cfg=dict(mode='whole'),
        )
        | options
    )


def with_auxiliary_head(width: int = 4) -> dict:
    """Return a tiny SegFormer with an auxiliary head on the third level."""
    return segformer(width, auxiliary_head=fcn_head(5 * width, 2))


def samples(batch: int = 2, size: tuple[int, int] = (32, 48)) -> list:
    """Return samples with random labels and a strip of void."""
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    found = []
    for _ in range(batch):
        labels = torch.randint(NUM_CLASSES, (1, *size))
        labels[:, :4] = 255
        meta = dict(
            img_path='x.jpg', img_shape=size, ori_shape=size, pad_shape=size
        )
        sample = SegDataSample(metainfo=meta)
        sample.gt_sem_seg = PixelData(data=labels)
        found.append(sample)
    return found


def build(config: dict) -> torch.nn.Module:
    """Build a segmentor in mmsegmentation's scope."""
    return MODELS.build(dict(config, _scope_='mmseg'))
