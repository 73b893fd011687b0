import numpy as np
import pytest
from scipy import ndimage

from slotkd.datasets.physics_scenes import LEVELS
from slotkd.datasets.physics_scenes_video import (
    make_scene_video,
    render_scene,
)

each_level = pytest.mark.parametrize('level', LEVELS)


@pytest.fixture(scope='module')
def videos():
    return {
        level: make_scene_video(level, 0, 'train', 1, num_frames=8, size=64)
        for level in LEVELS
    }


@each_level
def test_arrays_are_movis(videos, level):
    made = videos[level]
    assert made.video.shape == (8, 64, 64, 3)
    assert made.segmentations.shape == made.depth.shape == (8, 64, 64, 1)
    assert made.forward_flow.shape == (8, 64, 64, 2)
    assert made.video.dtype == made.segmentations.dtype == np.uint8
    assert made.depth.dtype == made.forward_flow.dtype == np.float32
    assert np.all(np.isfinite(made.forward_flow))
    assert made.depth.min() > 0.2 and made.depth.max() < 60


@each_level
def test_labels_count_from_one_and_all_are_seen(videos, level):
    found = np.unique(videos[level].segmentations)
    np.testing.assert_array_equal(found, np.arange(found[-1] + 1))
    assert found[-1] >= 2


@each_level
def test_pictures_are_well_lit_and_objects_visible(videos, level):
    video, labels = videos[level].video, videos[level].segmentations[..., 0]
    assert 40 < video.mean() < 215
    assert (video.min(axis=-1) > 253).mean() < 0.05
    assert 0.01 < (labels > 0).mean() < 0.8
    edges = mark_edges(labels[0])
    assert edges.any()
    steps = np.abs(np.diff(video[0].astype(int), axis=1)).sum(axis=-1)
    inside = edges[:, 1:] | edges[:, :-1]
    assert steps[inside].mean() > 2 * steps[~inside].mean()


def mark_edges(labels):
    return ndimage.maximum_filter(labels, 3) != ndimage.minimum_filter(
        labels, 3
    )


@each_level
def test_objects_are_in_front_of_what_they_hide(videos, level):
    """The depth of the floor, from its plane, is never nearer."""
    made = videos[level]
    labels, depth = made.segmentations[..., 0], made.depth[..., 0]
    for frame in range(len(labels)):
        rows = labels[frame] == 0
        object_depth, far = depth[frame][~rows], depth[frame][rows]
        # Where a row of the image sees the floor, what stands on that floor
        # is not behind it.
        assert object_depth.min() < far.max()
    for row in range(40, 64):
        behind = depth[:, row][labels[:, row] == 0]
        front = depth[:, row][labels[:, row] > 0]
        if len(behind) and len(front):
            assert np.median(front) < behind.max() * 1.2


@each_level
def test_flow_leads_to_the_same_object_and_depth(videos, level):
    """Warp test: what moves to a pixel is what is seen there next."""
    made = videos[level]
    checked = agreed = 0
    grid = np.indices((64, 64))[::-1].transpose(1, 2, 0) + 0.5
    for t in range(7):
        labels, after = made.segmentations[t : t + 2, ..., 0]
        there = np.floor(grid + made.forward_flow[t]).astype(int)
        safe = ~mark_edges(labels) & np.all((there >= 1) & (there < 63), -1)
        x, y = there[safe].T
        safe_after = ~mark_edges(after)[y, x]
        x, y = x[safe_after], y[safe_after]
        source = np.argwhere(safe)[safe_after]
        here = labels[tuple(source.T)]
        # Nearer ones may move in between; farther ones may not.
        depth_here = made.depth[t, ..., 0][tuple(source.T)]
        depth_there = made.depth[t + 1, ..., 0][y, x]
        hidden = depth_there < depth_here - 1.2
        checked += (~hidden).sum()
        agreed += (here == after[y, x])[~hidden].sum()
    assert checked > 10_000
    assert agreed / checked > 0.995


@pytest.mark.parametrize('level', ['a', 'c'])
def test_still_backdrop_of_a_still_camera_has_no_flow(videos, level):
    made = videos[level]
    behind = made.segmentations[..., 0] == 0
    np.testing.assert_allclose(made.forward_flow[behind], 0, atol=1e-3)
    moving = np.abs(made.forward_flow[~behind]).max(axis=-1)
    assert (moving > 0.5).mean() > 0.2


def test_backdrop_of_a_moving_camera_moves(videos):
    made = videos['e']
    behind = made.segmentations[..., 0] == 0
    assert np.abs(made.forward_flow[behind]).max() > 0.3


@each_level
def test_a_video_depends_on_its_arguments_alone(videos, level):
    make_scene_video(level, 3, 'train', 0, num_frames=1, size=16)
    again = make_scene_video(level, 0, 'train', 1, num_frames=8, size=64)
    for field in ('video', 'segmentations', 'depth', 'forward_flow'):
        np.testing.assert_array_equal(
            getattr(again, field), getattr(videos[level], field)
        )


def test_seed_split_and_index_each_make_another_video():
    options = dict(num_frames=1, size=32)
    made = [
        make_scene_video('a', *arguments, **options).video
        for arguments in (
            (0, 'train', 0),
            (1, 'train', 0),
            (0, 'validation', 0),
            (0, 'train', 1),
        )
    ]
    for index, video in enumerate(made):
        for other in made[:index]:
            assert np.any(video != other)


def test_longer_videos_begin_alike(videos):
    short = make_scene_video('a', 0, 'train', 1, num_frames=3, size=64)
    np.testing.assert_array_equal(short.depth, videos['a'].depth[:3])


def test_scenes_without_a_visible_object_are_drawn_again(monkeypatch):
    target = 'slotkd.datasets.physics_scenes_video.render_scene'
    rendered = []

    def hide_first(scene, num_frames, size):
        made = render_scene(scene, num_frames, size)
        rendered.append(scene)
        if len(rendered) == 1:
            made.segmentations[:] = 0
        return made

    monkeypatch.setattr(target, hide_first)
    made = make_scene_video('a', 0, 'train', 0, num_frames=1, size=16)
    assert made.segmentations.any()
    assert len(rendered) == 2 and rendered[0].look != rendered[1].look


@pytest.mark.parametrize(
    ('arguments', 'options', 'text'),
    [
        (('b', 0, 'train', 0), {}, "level='b' is none of a, c, e"),
        (('a', 0, 'test', 0), {}, "split='test' is none of train, valid"),
        (('a', -1, 'train', 0), {}, 'seed=-1'),
        (('a', 0, 'train', 0), dict(num_frames=0), 'frames=0'),
        (('a', 0, 'train', 0), dict(size=8), 'size=8'),
    ],
)
def test_impossible_videos_are_refused(arguments, options, text):
    with pytest.raises(ValueError, match=text):
        make_scene_video(*arguments, **options)
