# SlotContrast's protocol on YTVIS-2021: the central square at 518x518, whole
# videos, decoder masks; all 300 held-out videos and, as first210_*, the 210
# of the published numbers. With the slot code's own J&F beside.
#   python tools/test.py CONFIG CKPT --protocol <this file>
_base_ = '../datasets/ytvis2021.py'
test_evaluator = [
    dict(
        type='ObjectDiscoveryMetric',
        background='none',
        mask_size=518,
        subsets=dict(first210=210),
    ),
    dict(type='SlotJFMetric'),
]
