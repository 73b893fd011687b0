"""A slot model proposes the objects of a frame."""

import numpy as np
import torch
from mmengine.config import Config

from slotkd.apis import SlotInferencer, SlotProposer
from slotkd.ops.slot_objects import slots_to_objects
from tests import tiny


def inferencer():
    torch.manual_seed(1)
    return SlotInferencer(
        Config(
            dict(
                default_scope='slotkd',
                model=tiny.slot_model(
                    data_preprocessor=dict(type='VideoDataPreprocessor')
                ),
                test_pipeline=[
                    dict(type='ResizeVideo', size=(16, 24)),
                    dict(type='PackVideoInputs'),
                ],
            )
        )
    )


def test_objects_are_the_slots_of_the_frame():
    slots = inferencer()
    frame = np.random.default_rng(0).integers(0, 256, (21, 30, 3), np.uint8)
    objects = SlotProposer(slots, min_share=0)(frame)
    assert objects.shape == (21, 30) and objects.dtype == np.uint8
    (sample,) = slots(frame)['predictions']
    expected = slots_to_objects(sample.pred_masks[0], min_share=0)
    np.testing.assert_array_equal(objects, expected.numpy())
    assert objects.max() >= 1 and (objects == 0).any()


def test_options_reach_the_choice():
    frame = np.random.default_rng(0).integers(0, 256, (21, 30, 3), np.uint8)
    one = SlotProposer(inferencer(), max_objects=1, min_share=0)(frame)
    assert one.max() == 1
