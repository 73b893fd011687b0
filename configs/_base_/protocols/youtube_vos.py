# YouTube-VOS 2018 or 2019: G on training videos that were held out, since the
# official validation truth is on a server; reported as "proxy".
#   <data_root>/train/{JPEGImages,Annotations}/<video>/*, train/meta.json
#   <data_root>/held_out.txt   names of the videos, one per line
# `unseen` are the categories that no training video showed: fill it in with
#   --cfg-options test_evaluator.unseen="['ape','whale']"
#   python tools/test.py CONFIG CKPT --protocol <this file>
data_root = '{{$SLOTKD_DATA_ROOT:data/youtube_vos_2019}}'
test_pipeline = [dict(type='PackVideoInputs')]
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='VideoFolderDataset',
        data_root=data_root,
        frames_dir='train/JPEGImages',
        masks_dir='train/Annotations',
        meta_file='train/meta.json',
        split='held_out.txt',
        pipeline=test_pipeline,
    ),
)
test_evaluator = dict(type='YouTubeVosMetric', unseen=[])
