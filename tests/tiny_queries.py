"""Query models small enough for tests: every part real, every number small."""

from slotkd.registry import MODELS

WIDTH, QUERIES, CLASSES = 16, 6, 3
CHANNELS = [4, 8, 16, 32]
PREPROCESSOR = dict(
    type='mmdet.TrackDataPreprocessor',
    mean=[127.5] * 3,
    std=[127.5] * 3,
    bgr_to_rgb=True,
    pad_mask=True,
    pad_size_divisor=32,
)


def backbone() -> dict:
    """Return a thin ResNet-18."""
    return dict(
        type='mmdet.ResNet',
        depth=18,
        base_channels=4,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=False,
        style='pytorch',
    )


def head(**changes) -> dict:
    """Return the part that heads for frames and for clips share."""
    ffn = dict(
        embed_dims=WIDTH,
        feedforward_channels=16,
        num_fcs=2,
        ffn_drop=0.0,
        act_cfg=dict(type='ReLU', inplace=True),
    )
    attention = dict(
        embed_dims=WIDTH, num_heads=2, dropout=0.0, batch_first=True
    )
    return (
        dict(
            in_channels=CHANNELS,
            feat_channels=WIDTH,
            out_channels=WIDTH,
            num_classes=CLASSES,
            num_queries=QUERIES,
            pixel_decoder=dict(
                type='MSDeformAttnPixelDecoder',
                num_outs=3,
                norm_cfg=dict(type='GN', num_groups=4),
                act_cfg=dict(type='ReLU'),
                encoder=dict(
                    num_layers=1,
                    layer_cfg=dict(
                        self_attn_cfg=attention
                        | dict(num_levels=3, num_points=2),
                        ffn_cfg=ffn,
                    ),
                ),
                positional_encoding=dict(num_feats=8, normalize=True),
            ),
            positional_encoding=dict(num_feats=8, normalize=True),
            transformer_decoder=dict(
                return_intermediate=True,
                num_layers=2,
                layer_cfg=dict(
                    self_attn_cfg=attention,
                    cross_attn_cfg=attention,
                    ffn_cfg=ffn,
                ),
            ),
            loss_cls=dict(
                type='CrossEntropyLoss',
                use_sigmoid=False,
                loss_weight=2.0,
                class_weight=[1.0] * CLASSES + [0.1],
            ),
            loss_mask=dict(
                type='CrossEntropyLoss', use_sigmoid=True, loss_weight=5.0
            ),
            loss_dice=dict(
                type='DiceLoss',
                use_sigmoid=True,
                activate=True,
                naive_dice=True,
                eps=1.0,
                loss_weight=5.0,
            ),
            train_cfg=dict(
                num_points=64,
                oversample_ratio=3.0,
                importance_sample_ratio=0.75,
                assigner=dict(
                    type='HungarianAssigner',
                    match_costs=[
                        dict(type='ClassificationCost', weight=2.0),
                        dict(
                            type='CrossEntropyLossCost',
                            weight=5.0,
                            use_sigmoid=True,
                        ),
                        dict(
                            type='DiceCost', weight=5.0, pred_act=True, eps=1.0
                        ),
                    ],
                ),
                sampler=dict(type='MaskPseudoSampler'),
            ),
        )
        | changes
    )


def online(**changes) -> dict:
    """Return the config of a tiny student."""
    config = dict(
        type='OnlineMask2Former',
        backbone=backbone(),
        head=head(type='slotkd.FrameQueryHead', _scope_='mmdet'),
        losses=dict(contrast=dict(type='QueryContrastLoss')),
    )
    return config | changes


def video_head(**changes) -> dict:
    """Return the config of a tiny teacher's head."""
    encoding = dict(
        type='SinePositionalEncoding3D', num_feats=8, normalize=True
    )
    return head(
        type='slotkd.VideoQueryHead',
        _scope_='mmdet',
        num_frames=4,
        positional_encoding=encoding,
        **changes,
    )


def offline(**changes) -> dict:
    """Return the config of a tiny teacher."""
    config = dict(
        type='OfflineMask2Former',
        backbone=backbone(),
        track_head=video_head(),
    )
    return config | changes


def distiller(**changes) -> dict:
    """Return the config of a tiny student with a built tiny teacher."""
    config = dict(
        type='Distiller',
        student=online(),
        teacher=build(offline()),
        distill_losses=dict(
            query=dict(
                type='QueryDistillLoss',
                student_dim=WIDTH,
                teacher_dim=WIDTH,
                qfa=dict(
                    min_cells=1,
                    cls_thr=None,
                    tube_iou_thr=None,
                    exclusive=False,
                    student_iou_thr=None,
                ),
                loss_weight=2.0,
            )
        ),
        data_preprocessor=PREPROCESSOR,
    )
    return config | changes


def build(config: dict):
    """Build a model and initialise it."""
    # Registers the types, as the custom_imports of configs do.
    import slotkd.models.queries.mask2former  # noqa: F401

    model = MODELS.build(config)
    model.init_weights()
    return model
