"""The student alone: plain mmsegmentation, needs no slotkd."""

_base_ = ['_base_/runtime.py', '_base_/shapes.py', '_base_/segformer.py']
model = dict(**_base_.segformer_b0, data_preprocessor=_base_.data_preprocessor)
