# Video AP without classes of slots on the annotated train videos of OVIS, and
# by occlusion (AP_so, AP_mo, AP_ho); else as ytvis2021_class_agnostic_ap.py.
_base_ = './ytvis2021_class_agnostic_ap.py'
data_root = '{{$SLOTKD_DATA_ROOT:data/ovis}}'
ann_file = 'annotations/annotations_train.json'
test_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file=ann_file,
        frames_dir='train',
        video_range=None,
    )
)
test_evaluator = dict(
    ann_file=data_root + '/' + ann_file,
    video_range=None,
    splits='occlusion',
)
