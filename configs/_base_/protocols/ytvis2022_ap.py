# YTVIS-2022: the mean of the video AP on short and on long videos, and both
# (short_*, long_*). <data_root>/long_videos.txt holds the ids of the long
# ones, one per line; else as ytvis2021_ap.py.
_base_ = './ytvis2021_ap.py'
data_root = '{{$SLOTKD_DATA_ROOT:data/ytvis_2022}}'
test_evaluator = dict(
    ann_file=data_root + '/held_out.json',
    long_videos=data_root + '/long_videos.txt',
)
