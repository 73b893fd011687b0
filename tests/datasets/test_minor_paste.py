"""MinorPaste on mmdet's lists: invariants, shares, seeds."""

import copy

import numpy as np
import pytest
from mmdet.structures.mask import BitmapMasks

from slotkd.datasets.minor_paste import MinorPaste
from slotkd.datasets.track_paste import boxes_of
from tests.vis_files import COLOURS, write_squares

VIDEOS = [[1, 1], [1, 2], [1], [3, 1]]
KEYS = (
    'img',
    'gt_masks',
    'gt_bboxes',
    'gt_bboxes_labels',
    'gt_instances_ids',
    'gt_ignore_flags',
)


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    root = tmp_path_factory.mktemp('squares')
    return root, write_squares(root, VIDEOS)


def build(files, **options) -> MinorPaste:
    root, path = files
    given = dict(prob=1, paste=dict(min_pixels=4)) | options
    return MinorPaste(str(path), str(root), **given)


def clip(tracks=2, frames=4, size=(48, 64)) -> dict:
    """Return a clip of video 1 in mmdet's lists, two squares in a row."""
    masks = np.zeros((frames, tracks, *size), np.uint8)
    for o in range(tracks):
        masks[:, o, 4:28, 4 + 30 * o : 28 + 30 * o] = 1
    return dict(
        frame_id=[0, 2, 3, 5][:frames],
        video_id=[1] * frames,
        img=[np.full((*size, 3), 77, np.uint8) for _ in range(frames)],
        gt_masks=[BitmapMasks(m, *size) for m in masks],
        gt_bboxes=[boxes_of(m.astype(bool)) for m in masks],
        gt_bboxes_labels=[np.arange(tracks) for _ in range(frames)],
        gt_instances_ids=[np.arange(tracks) + 1 for _ in range(frames)],
        gt_ignore_flags=[np.zeros(tracks, bool) for _ in range(frames)],
    )


def class_of_ids(results) -> dict[int, int]:
    """Return the class of each identity; fail where it changes."""
    classes = {}
    for labels, ids in zip(
        results['gt_bboxes_labels'], results['gt_instances_ids'], strict=True
    ):
        for label, name in zip(labels.tolist(), ids.tolist(), strict=True):
            assert classes.setdefault(name, label) == label
    return classes


@pytest.mark.parametrize('seed', range(12))
def test_invariants(files, seed):
    np.random.seed(seed)
    before = clip()
    untouched = copy.deepcopy(before)
    after = build(files)(before)
    for t in range(4):
        masks = after['gt_masks'][t].masks
        assert masks.sum(axis=0).max() <= 1  # disjoint
        count = len(masks)
        for key in KEYS[2:]:
            assert len(after[key][t]) == count
        np.testing.assert_array_equal(
            after['gt_bboxes'][t], boxes_of(masks.astype(bool))
        )
        assert after['gt_bboxes_labels'][t].dtype == np.arange(2).dtype
        np.testing.assert_array_equal(
            before['img'][t], untouched['img'][t]
        )  # inputs are not written to
    old, new = class_of_ids(untouched), class_of_ids(after)
    kept, pasted = old.keys() & new.keys(), new.keys() - old.keys()
    removed = old.keys() - new.keys()
    assert len(new) == len(old) - len(removed) + len(pasted)
    assert {k: new[k] for k in kept} == {k: old[k] for k in kept}
    assert 1 <= len(pasted) <= 2 and min(pasted) > 2


def test_pixels_and_motion_are_those_of_the_source(files):
    np.random.seed(3)
    paste = dict(min_pixels=4, flip=0, scale=(1, 1), jitter=0, blur=0)
    after = build(files, max_tracks=1, paste=paste)(clip(tracks=0))
    label = after['gt_bboxes_labels'][0][0]
    lefts = []
    for t in range(4):
        (mask,) = after['gt_masks'][t].masks.astype(bool)
        assert (after['img'][t][mask] == COLOURS[label][::-1]).all()  # BGR
        lefts.append(after['gt_bboxes'][t][0])
    assert len({box[1] for box in lefts}) == 1


def test_without_probability_nothing_changes(files):
    before = clip()
    after = build(files, prob=0)(before)
    assert after is before
    np.random.seed(0)
    rare = build(files, prob=1e-9)(before)
    for key in KEYS:
        assert rare[key] is before[key]


def test_one_seed_one_result(files):
    transform = build(files)
    results = []
    for _ in range(2):
        np.random.seed(7)
        results.append(transform(clip()))
    for t in range(4):
        np.testing.assert_array_equal(
            results[0]['img'][t], results[1]['img'][t]
        )
        assert results[0]['gt_masks'][t].masks.tobytes() == (
            results[1]['gt_masks'][t].masks.tobytes()
        )


def test_rare_classes_are_pasted_as_planned(files):
    np.random.seed(0)
    transform = build(files, max_tracks=1)
    drawn = np.zeros(3)
    for _ in range(300):
        after = transform(clip(tracks=0, frames=2))
        for label in class_of_ids(after).values():
            drawn[label] += 1
    shares = drawn / drawn.sum()
    # Within three deviations of 300 draws.
    np.testing.assert_allclose(shares, transform.shares, atol=0.09)
    assert transform.shares[2] > transform.shares[0]


def test_a_hidden_track_leaves_the_frames_in_which_it_is_hidden(files):
    small = clip(tracks=1)
    masks = np.zeros((1, 48, 64), np.uint8)
    masks[0, 20:24, 20:24] = 1
    for t in range(4):
        small['gt_masks'][t] = BitmapMasks(masks, 48, 64)
    hidden = set()
    for seed in range(60):
        np.random.seed(seed)
        after = build_big(files)(small)
        counts = [int((ids == 1).sum()) for ids in after['gt_instances_ids']]
        hidden.add(tuple(counts))
        for t, ids in enumerate(after['gt_instances_ids']):
            if 1 in ids:
                kept = after['gt_masks'][t].masks[list(ids).index(1)]
                assert kept.sum() >= 4
    assert (1, 1, 1, 1) in hidden and (0, 0, 0, 0) in hidden


def build_big(files):
    return build(files, paste=dict(min_pixels=4, box_area=(0.3, 0.4)))


def test_the_clips_own_video_is_no_source(files):
    """Class 2 (label 1) occurs in video 2 alone."""
    np.random.seed(0)
    transform = build(files)
    transform.shares = np.array([0.0, 1.0, 0.0])
    own = clip() | dict(video_id=[2] * 4)
    assert class_of_ids(transform(own)).keys() == {1, 2}
    assert class_of_ids(transform(clip())).keys() > {1, 2}


def test_refuses_what_is_out_of_range(files):
    with pytest.raises(ValueError, match=r'prob in \[0, 1\] .* got 2 and 2'):
        build(files, prob=2)
    with pytest.raises(ValueError, match="rule='fair' is not one of"):
        build(files, rule='fair')
    with pytest.raises(TypeError, match='flop'):
        build(files, paste=dict(flop=1))
