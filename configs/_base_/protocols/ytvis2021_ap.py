# Video AP with classes on YTVIS-2021, for models that predict tracks. The
# official validation truth is on a server: <data_root>/held_out.json is a
# file of the same form with videos that were not trained on, and the test
# data of CONFIG must be those videos.
#   python tools/test.py CONFIG CKPT --protocol <this file>
data_root = '{{$SLOTKD_DATA_ROOT:data/ytvis_2021}}'
test_evaluator = dict(
    type='VideoInstanceMetric', ann_file=data_root + '/held_out.json'
)
