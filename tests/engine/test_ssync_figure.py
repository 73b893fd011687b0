"""The SSync figure: what each panel shows, and the hook in a run."""

import numpy as np
import pytest
from mmengine.runner import Runner
from PIL import Image

from slotkd.engine.drawing import slot_colors
from slotkd.engine.ssync_figure import draw_ssync
from tests import toy_run


def test_merging_and_sets_are_visible():
    """Slots 0 and 1 halve the frame; merged, there is only slot 0."""
    frames = np.full((2, 64, 64, 3), 128, dtype=np.uint8)
    labels = np.zeros((2, 4, 4), dtype=np.int64)
    labels[:, :, 2:] = 1
    merged = np.zeros_like(labels)
    chosen = labels == 1
    figure = draw_ssync(
        frames,
        (labels, labels),
        (merged, merged),
        (chosen, ~chosen),
        names=['first', 'second'],
        long_side=64,
    ).astype(int)
    middle = 22 + 6 + 32  # below the headings, half-way down the first row
    lefts = [40 + c * 70 + 16 for c in range(6)]
    left = [figure[middle, x] for x in lefts]
    right = [figure[middle, x + 32] for x in lefts]
    first, second = slot_colors(2).astype(int)

    def tinted(pixel, color):
        """Move from grey towards the colour in every channel."""
        return ((pixel - 128) * (color - 128) >= 0).all() and (
            np.abs(pixel - 128).max() > 20
        )

    assert (left[0] == 128).all()
    assert (right[0] == 128).all()
    for column in (1, 2):
        assert tinted(left[column], first)
        assert tinted(right[column], second)
    assert not tinted(left[3], first)  # outside the boundary set: dim
    assert tinted(right[3], first)  # teaches the merged label
    assert tinted(left[4], first)
    assert not tinted(right[4], first)
    assert tinted(left[5], first)
    assert (left[5] == right[5]).all()


def run_with_hook(tmp_path, **model):
    config = toy_run.config(
        custom_hooks=[
            dict(
                type='SSyncVisualizationHook',
                ssync=dict(type='SSyncLoss', iou_thr=0.7),
                max_videos=2,
                out_dir=str(tmp_path / 'figures'),
            )
        ],
    )
    config.work_dir = str(tmp_path)
    config.model.update(model)
    Runner.from_cfg(config).test()


def test_hook_writes_a_figure_of_each_video(tmp_path):
    run_with_hook(tmp_path, keep_maps=True)
    files = sorted(tmp_path.glob('figures/*.png'))
    assert len(files) == 3  # a test writes every video
    shapes = {Image.open(f).size for f in files}
    assert len(shapes) == 1
    assert min(*shapes.pop()) > 192


def test_hook_says_what_is_missing(tmp_path):
    with pytest.raises(ValueError, match='no attn_logits.*keep_maps=True'):
        run_with_hook(tmp_path)
