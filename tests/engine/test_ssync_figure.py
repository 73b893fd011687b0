"""The SSync figure: what each panel shows, and the hook in a run."""

import numpy as np
import pytest
import torch
from mmengine.runner import Runner
from PIL import Image

from slotkd.engine.drawing import slot_colors
from slotkd.engine.ssync_figure import SSyncVisualizationHook, draw_ssync
from slotkd.structures import VideoDataSample
from tests import toy_run


def inputs():
    frames = np.full((2, 8, 8, 3), 128, dtype=np.uint8)
    labels = np.zeros((2, 4, 4), dtype=np.int64)
    labels[:, :, 2:] = 1
    merged = np.zeros_like(labels)
    chosen = labels == 1
    return frames, (labels, labels), (merged, merged), (chosen, ~chosen)


def test_panels_have_the_colours_of_the_slots():
    figure = draw_ssync(*inputs(), names=['0', '1'], long_side=64)
    reds = {tuple(c) for c in figure.reshape(-1, 3)}
    both = draw_ssync(
        *(x if i != 2 else inputs()[1] for i, x in enumerate(inputs())),
        names=['0', '1'],
        long_side=64,
    )
    assert both.shape == figure.shape
    assert (both != figure).any()
    first, second = slot_colors(2).astype(int)
    near = [
        min(np.abs(np.array(c) - color).sum() for c in reds)
        for color in (first, second)
    ]
    assert max(near) < 60  # opaque outlines


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
    Runner.from_cfg(config).val()


def test_hook_writes_a_figure_of_each_video(tmp_path):
    run_with_hook(tmp_path, keep_maps=True)
    files = sorted(tmp_path.glob('figures/iter_*/*.png'))
    assert len(files) == 2
    shapes = {Image.open(f).size for f in files}
    assert len(shapes) == 1
    assert min(*shapes.pop()) > 192


def test_hook_says_what_is_missing(tmp_path):
    with pytest.raises(ValueError, match='no attn_logits.*keep_maps=True'):
        run_with_hook(tmp_path)


def test_hook_leaves_the_sample_alone():
    hook = SSyncVisualizationHook(dict(type='SSyncLoss', iou_thr=0.7))
    sample = VideoDataSample(metainfo=dict(grid=(2, 2)))
    for name in ('attn_logits', 'mask_logits'):
        setattr(sample, name, torch.randn(3, 2, 4).half())
    before = {k: v.clone() for k, v in sample.items()}

    class Model:
        data_preprocessor = None

    class Run:
        model, iter = Model(), 7

    sheet = hook._draw(Run(), torch.zeros(3, 3, 8, 8), sample, 'v')
    assert sheet.dtype == np.uint8
    assert all(torch.equal(v, before[k]) for k, v in sample.items())
