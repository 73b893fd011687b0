# Video AP with classes on OVIS, and by occlusion (AP_so, AP_mo, AP_ho); else
# as ytvis2021_ap.py.
_base_ = './ytvis2021_ap.py'
data_root = '{{$SLOTKD_DATA_ROOT:data/ovis}}'
test_evaluator = dict(
    ann_file=data_root + '/held_out.json', splits='occlusion'
)
