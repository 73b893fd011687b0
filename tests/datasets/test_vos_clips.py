"""Clips of a reference and its followers: frames, objects, what is read."""

import numpy as np
import pytest
import torch

from slotkd.datasets import (
    MovingTexturedShapes,
    VideoFolderDataset,
    VosClipDataset,
    WarpToClip,
)
from slotkd.datasets.vos_clips import (
    draw_frame_ids,
    merge_clips,
    relabel_objects,
)

VOID = 255
PLAIN = dict(reverse_prob=0, merge_prob=0, min_pixels=1, min_object_pixels=1)


def ids(length, num_frames, **options):
    options = dict(max_gap=3, reference='random') | options
    return draw_frame_ids(length, num_frames, **options)


def test_gaps_stay_in_their_range_and_in_the_video():
    np.random.seed(0)
    drawn = np.array([ids(40, 5) for _ in range(300)])
    gaps = np.diff(drawn, axis=1)
    assert gaps.min() == 1 and gaps.max() == 3
    assert drawn.min() == 0 and drawn.max() == 39
    first = np.array([ids(40, 5, reference='first') for _ in range(50)])
    assert not first[:, 0].any() and first[:, 1].max() == 3


def test_short_videos_shrink_the_gaps_and_then_play_back_and_forth():
    np.random.seed(0)
    for _ in range(20):
        assert ids(5, 5, max_gap=12) == [0, 1, 2, 3, 4]
        assert max(ids(9, 5, max_gap=12)) <= 8
    assert ids(3, 6, reference='first') == [0, 1, 2, 1, 0, 1]
    assert ids(1, 3) == [0, 0, 0]
    assert ids(7, 1, reference='first') == [0]


def test_objects_of_the_reference_are_numbered():
    first = np.array([[0, 7, 7], [3, 3, 9], [VOID, 3, 0]])
    later = np.array([[7, 9, 11], [0, VOID, 3], [300, 0, 0]])
    new = relabel_objects([first, later], max_objects=10, min_pixels=2)
    assert new[0].tolist() == [[0, 2, 2], [1, 1, 0], [VOID, 1, 0]]
    assert new[1].tolist() == [[2, 0, 0], [0, VOID, 1], [0, 0, 0]]
    assert new[0].dtype == np.uint8


def test_too_many_objects_are_dropped_at_random():
    np.random.seed(1)
    mask = np.arange(1, 13).reshape(3, 4)
    kept = [
        relabel_objects([mask], max_objects=5, min_pixels=1)[0]
        for _ in range(20)
    ]
    assert all(sorted(set(k.ravel())) == [0, 1, 2, 3, 4, 5] for k in kept)
    assert len({k.tobytes() for k in kept}) > 10


def clip(value, masks):
    masks = [np.array(mask, np.uint8) for mask in masks]
    img = [np.full((*mask.shape, 3), value, np.uint8) for mask in masks]
    return dict(img=img, gt_seg_map=masks, video_id=f'v{value}')


def test_merging_pastes_objects_and_keeps_their_identities():
    back = clip(10, [[[1, 1, 0, VOID]], [[0, 1, 1, 0]]])
    front = clip(20, [[[0, 1, 2, 2]], [[1, VOID, 0, 2]]])
    merged = merge_clips(back, front)
    assert merged['img'][0][0, :, 0].tolist() == [10, 20, 20, 20]
    assert merged['img'][1][0, :, 0].tolist() == [20, 10, 10, 20]
    assert merged['gt_seg_map'][0].tolist() == [[1, 256, 257, 257]]
    assert merged['gt_seg_map'][1].tolist() == [[256, 1, 1, 257]]
    new = relabel_objects(merged['gt_seg_map'], max_objects=9, min_pixels=1)
    assert [mask.tolist() for mask in new] == [[[1, 2, 3, 3]], [[2, 1, 1, 3]]]
    with pytest.raises(ValueError, match=r'\(2, 1, 4\) of v10 and \(1, 1, 4'):
        merge_clips(back, clip(30, [[[0, 0, 0, 0]]]))


def test_a_clip_follows_its_frames():
    np.random.seed(2)
    videos = MovingTexturedShapes(4, seed=5)
    clips = VosClipDataset(videos, num_frames=4, max_gap=2, **PLAIN)
    item = clips[3]
    assert len(item['img']) == 4 and item['video_id'] == 'textured5_000003'
    whole = videos[3]
    for t, index in enumerate(item['frame_ids']):
        np.testing.assert_array_equal(item['img'][t], whole['img'][index])


def test_later_objects_are_background_and_labels_have_no_hole():
    np.random.seed(3)
    videos = MovingTexturedShapes(8, seed=5, min_shapes=2)
    clips = VosClipDataset(videos, num_frames=5, max_gap=2, **PLAIN)
    for index in range(8):
        masks = clips[index]['gt_seg_map']
        objects = set(np.unique(masks[0])) - {0}
        assert objects == set(range(1, len(objects) + 1)) and objects
        assert set(np.unique(masks)) <= objects | {0}


def test_some_clips_run_backwards_and_some_are_merged():
    np.random.seed(4)
    videos = MovingTexturedShapes(30, seed=5, max_shapes=1)
    options = PLAIN | dict(reverse_prob=0.5, merge_prob=0.5)
    clips = VosClipDataset(videos, num_frames=3, max_gap=2, **options)
    items = [clips[index] for index in range(30)]
    backwards = [i['frame_ids'][0] > i['frame_ids'][1] for i in items]
    merged = [i['gt_seg_map'][0].max() > 1 for i in items]
    assert 5 < sum(backwards) < 25
    assert 5 < sum(merged) < 25


def test_reference_first_reads_the_first_mask_alone(write_davis):
    root = write_davis(dict(a=6, b=6))
    for path in (root / 'Annotations' / '480p').glob('*/*.png'):
        if path.stem != '00000':
            path.write_bytes(b'poison')
    videos = VideoFolderDataset(
        root, frames_dir='JPEGImages/480p', masks_dir='Annotations/480p'
    )
    clips = VosClipDataset(videos, reference='first', num_frames=3, **PLAIN)
    item = clips[0]
    assert item['frame_ids'][0] == 0
    assert set(np.unique(item['gt_seg_map'][0])) == {0, 1, 2, VOID}
    assert all((mask == VOID).all() for mask in item['gt_seg_map'][1:])
    with pytest.raises(ValueError, match='00[1-9].png is no image'):
        VosClipDataset(videos, num_frames=6, **PLAIN)[0]


def test_clips_made_of_first_masks_may_be_merged(write_davis):
    np.random.seed(6)
    root = write_davis(dict(a=3, b=3))
    clips = VosClipDataset(
        VideoFolderDataset(
            root, frames_dir='JPEGImages/480p', masks_dir='Annotations/480p'
        ),
        clip_pipeline=[WarpToClip(4)],
        reference='first',
        num_frames=1,
        **PLAIN | dict(merge_prob=1),
    )
    item = clips[0]
    assert len(item['img']) == 4
    assert 2 <= item['gt_seg_map'][0][item['gt_seg_map'][0] != VOID].max() <= 4


def test_regions_stand_for_masks_that_nobody_drew(write_davis):
    np.random.seed(2)
    torch.manual_seed(2)
    root = write_davis(dict(a=6, b=6))
    videos = VideoFolderDataset(root, frames_dir='JPEGImages/480p')
    regions = dict(step=1, min_area=0.01, max_area=0.9)
    clips = VosClipDataset(
        videos,
        clip_pipeline=[WarpToClip(4)],
        num_frames=1,
        regions=regions,
        **PLAIN | dict(merge_prob=0.5),
    )
    items = [clips[i % 2] for i in range(12)]
    assert {item['frame_ids'][0] for item in items} > {0}
    for item in items:
        assert all(
            item['gt_seg_map'][0].max() == m.max() for m in item['gt_seg_map']
        )
    assert all(1 <= item['gt_seg_map'][0].max() <= 3 for item in items)
    later = VosClipDataset(videos, num_frames=3, regions=regions, **PLAIN)[0]
    assert later['gt_seg_map'][0].max() >= 1
    assert all((mask == VOID).all() for mask in later['gt_seg_map'][1:])


def test_regions_are_pasted_over_another_video_without_its_own(write_davis):
    root = write_davis(dict(a=6, b=6, c=6))
    videos = VideoFolderDataset(root, frames_dir='JPEGImages/480p')
    regions = dict(step=1, min_area=0.01, max_area=0.9, max_regions=1)
    options = PLAIN | dict(merge_prob=1, num_frames=1, regions=regions)
    clips = VosClipDataset(videos, **options)
    behind = [
        [clips[index]['video_id'] for _ in range(9)] for index in range(3)
    ]
    assert [set(names) for names in behind] == [
        set('bc'),
        set('ac'),
        set('ab'),
    ]
    front = clips.draw_clip(0)
    merged = clips._merge(front, 0)
    pasted = front['gt_seg_map'][0] > 0
    assert pasted.any()
    np.testing.assert_array_equal(merged['gt_seg_map'][0] > 0, pasted)
    shown = merged['img'][0][pasted], front['img'][0][pasted]
    np.testing.assert_array_equal(*shown)


def test_regions_read_no_mask(write_davis):
    root = write_davis(dict(a=6))
    for path in (root / 'Annotations' / '480p').glob('*/*.png'):
        path.write_bytes(b'poison')
    videos = VideoFolderDataset(
        root, frames_dir='JPEGImages/480p', masks_dir='Annotations/480p'
    )
    regions = dict(step=1, min_area=0.01, max_area=0.9)
    assert VosClipDataset(videos, regions=regions, num_frames=2, **PLAIN)[0]
    options = PLAIN | dict(merge_prob=1, num_frames=1, regions=regions)
    assert VosClipDataset(videos, **options)[0]


def test_clips_without_object_are_drawn_anew(write_davis):
    root = write_davis(dict(a=4, b=4))
    clips = VosClipDataset(
        VideoFolderDataset(
            root, frames_dir='JPEGImages/480p', masks_dir='Annotations/480p'
        ),
        num_frames=2,
        **PLAIN,
    )
    assert clips.prepare_data(0) is not None
    clips.min_object_pixels = 10_000
    assert clips.prepare_data(0) is None


def test_packs_after_both_pipelines():
    clips = VosClipDataset(
        dict(type='MovingTexturedShapes', num_videos=3),
        clip_pipeline=[dict(type='RandomCropVideo', size=81)],
        pipeline=[dict(type='PackVideoInputs')],
        num_frames=3,
        merge_prob=1,
    )
    item = clips[1]
    assert item['inputs'].shape == (3, 3, 81, 81)
    assert item['data_samples'].gt_masks.dtype == torch.int64
    assert item['data_samples'].gt_masks[0].max() >= 1


def test_what_does_not_fit_is_refused(write_davis):
    videos = MovingTexturedShapes(2)
    with pytest.raises(ValueError, match='reverse_prob=0.5 and merge_prob='):
        VosClipDataset(videos, reference='first')
    with pytest.raises(ValueError, match='regions know the first mask alone'):
        VosClipDataset(videos, regions={}, reverse_prob=0)
    with pytest.raises(ValueError, match="reference='last' is not one of"):
        VosClipDataset(videos, reference='last')
    with pytest.raises(ValueError, match='got 0, 12 and 10'):
        VosClipDataset(videos, num_frames=0)
    plain = VideoFolderDataset(
        write_davis(dict(a=4)), frames_dir='JPEGImages/480p'
    )
    with pytest.raises(ValueError, match='video a has no masks'):
        VosClipDataset(plain)[0]
