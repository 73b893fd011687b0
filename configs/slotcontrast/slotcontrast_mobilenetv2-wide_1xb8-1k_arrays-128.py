# A slot teacher on videos kept as numpy arrays, with ImageNet features of
# MobileNetV2.
_base_ = [
    '../_base_/models/slot_mobilenetv2_wide.py',
    '../_base_/datasets/video_arrays.py',
    '../_base_/schedules/1k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    **_base_.slot_mobilenetv2_wide,
    data_preprocessor=dict(
        type='VideoDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3
    ),
)
# Objects are small here: features at stride 8, 32 channels, 16x16 patches.
model['backbone']['backbone'].update(out_indices=(2,))
model['backbone'].update(feat_dim=32)
model['neck'].update(feat_dim=32)
model['decoder'].update(feat_dim=32, grid=(16, 16))
