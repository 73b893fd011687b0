# The student of OOKD on OVIS without a teacher: MinVIS with an
# embedding for association.
_base_ = [
    '../_base_/models/vis_online_r50.py',
    '../_base_/datasets/ovis_clips.py',
    '../_base_/schedules/vis_10k.py',
    '../_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['slotkd.models.queries.mask2former'], allow_failed_imports=False
)
model = dict(
    **_base_.vis_online_r50,
    init_cfg=dict(
        type='Pretrained',
        checkpoint='https://download.openmmlab.com/mmdetection/v3.0/mask2former/'
        'mask2former_r50_8xb2-lsj-50e_coco/'
        'mask2former_r50_8xb2-lsj-50e_coco_20220506_191028-41b088b6.pth',
    ),
    data_preprocessor=dict(
        type='mmdet.TrackDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_mask=True,
        pad_size_divisor=32,
    ),
)
# OVIS has 25 classes; the best 20 tracks of a video count.
model['head'].update(num_classes=25)
model['head']['loss_cls'].update(class_weight=[1.0] * 25 + [0.1])
model.update(topk=20)
