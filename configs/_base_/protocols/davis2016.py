# DAVIS-2016: as DAVIS-2017 semi-supervised, all objects merged into one.
#   python tools/test.py CONFIG CKPT --protocol <this file>
_base_ = './davis2017_semi_supervised.py'
test_dataloader = dict(
    dataset=dict(split='ImageSets/2016/val.txt', binary_masks=True)
)
test_evaluator = dict(protocol='davis2016')
