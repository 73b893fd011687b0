"""The drawing of sampling points: places, sizes, which memory frames."""

import importlib.util

import numpy as np
import pytest
import torch

from slotkd.registry import MODELS
from tests import vos


@pytest.fixture
def drawing(repo):
    path = repo / 'tools' / 'benchmarks' / 'draw_vos_memory.py'
    spec = importlib.util.spec_from_file_location('draw_vos_memory', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_query_is_the_middle_of_object_one(drawing):
    labels = torch.zeros(33, 49, dtype=torch.long)
    labels[14:19, 30:35] = 1
    labels[:4, :4] = 2
    assert drawing.middle_cell(labels, (3, 4)) == (1, 2)
    assert drawing.middle_cell(torch.zeros(33, 33).long(), (3, 3)) == (1, 1)


def test_regular_points_are_those_of_the_stride(drawing):
    points = drawing.grid_points(49, (7, 7))
    assert points[[0, -1]].tolist() == [[-1, -1], [1, 1]]
    assert len(drawing.grid_points(16, (7, 7))) == 16
    with pytest.raises(ValueError, match=r'gives 5 samples of a grid \(7, 7'):
        drawing.grid_points(5, (7, 7))


def test_points_are_drawn_where_they_are_and_as_large_as_their_weight(drawing):
    image = np.zeros((101, 101, 3), np.uint8)
    points = torch.tensor([[-0.5, 0.5], [0.5, 0.5]])
    regular = torch.tensor([[-0.5, 0.5], [0.5, -0.5]])
    drawn = drawing.draw_points(image, points, regular, torch.tensor([0, 1.0]))
    yellow = (drawn == drawing.POINT).all(2)
    left, right = yellow[:, :50], yellow[:, 50:]
    assert yellow[75, 25] and yellow[75, 75]
    assert right.sum() > 1.5 * left.sum() > 0
    assert (drawn[40, 75] == drawing.LINE).all() and not image.any()


def test_memory_frames_are_those_of_the_model(drawing):
    config = vos.model()
    config['propagator']['memory'] = dict(n_mem=2, gap=2)
    model = MODELS.build(config).eval()
    inputs, samples = vos.clips(batch=1, frames=9)
    first = samples[0].gt_masks[None, 0]
    with torch.no_grad():
        output = model.run(inputs, first, torch.tensor([2]))
    for frame in range(1, 9):
        times = drawing.memory_frames(model, frame)
        assert len(times) == output.attn[0][frame - 1].shape[2]
    assert drawing.memory_frames(model, 8) == [0, 4, 6]
