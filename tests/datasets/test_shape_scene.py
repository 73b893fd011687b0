import numpy as np
import pytest

from slotkd.datasets import ShapeScene, draw_moving_shapes
from slotkd.datasets.shape_scene import KINDS, _inside


def draw(seed=0, **scene):
    return draw_moving_shapes(np.random.default_rng(seed), ShapeScene(**scene))


def test_number_of_shapes_stays_in_range():
    seen = set()
    for seed in range(30):
        _, labels = draw(seed, min_shapes=1, max_shapes=3, radius=(0.1, 0.1))
        seen.add(int(labels.max()))
    assert seen == {1, 2, 3}
    frames, labels = draw(min_shapes=0, max_shapes=0, noise=0)
    assert not labels.any()
    assert np.ptp(frames, axis=0).max() == 0  # the background stands still


def test_higher_labels_hide_lower_ones():
    scene = dict(size=24, radius=(0.5, 0.5), speed=(0, 0), noise=0, texture=0)
    _, one = draw(5, min_shapes=1, max_shapes=1, **scene)
    _, many = draw(5, min_shapes=6, max_shapes=6, **scene)
    # All six fill the frame; whatever square or disc is on top hides the rest.
    assert one.max() == 1
    assert (many == 6).sum() > 0.3 * many.size
    assert set(np.unique(many)) != set(range(7))


def test_bounce_keeps_shapes_whole_and_moving():
    for seed in range(10):
        _, labels = draw(
            seed, num_frames=30, size=48, min_shapes=1, max_shapes=1
        )
        area = (labels == 1).sum(axis=(1, 2))
        assert area.min() > 0.75 * area.max()
        assert (labels[0] != labels[5]).any()


def test_pass_lets_shapes_leave_and_return():
    gone, back = 0, 0
    for seed in range(10):
        _, labels = draw(
            seed,
            num_frames=60,
            min_shapes=1,
            max_shapes=1,
            motion='pass',
            speed=(0.1, 0.1),
        )
        visible = labels.any(axis=(1, 2))
        gone += not visible.all()
        back += visible[np.argmin(visible) :].any() and not visible.all()
    assert gone >= 3
    assert back >= 3


def test_shapes_stand_out_from_the_background():
    frames, labels = draw(2, size=48)
    chroma = np.ptp(frames.astype(int), axis=-1)
    assert np.median(chroma[labels > 0]) > 3 * np.median(chroma[labels == 0])


def test_every_kind_covers_a_plausible_area():
    grid = ((np.arange(400) + 0.5) / 100 - 2).astype(np.float32)
    area = {
        kind: _inside(kind, grid[None, None], grid[None, :, None]).mean() * 16
        for kind in KINDS
    }
    expected = dict(
        disc=np.pi,
        square=3.24,
        triangle=0.55 * 1.8**2,
        diamond=2 * 1.1**2,
        ring=0.8 * np.pi,
    )
    assert area == pytest.approx(expected, rel=0.02)
