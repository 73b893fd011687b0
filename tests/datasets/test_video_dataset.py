import numpy as np
import pytest
from mmengine.runner import Runner

from slotkd.datasets import VideoDataset


class CountingVideos(VideoDataset):
    """Videos of grey frames that record what was read."""

    def __init__(self, lengths, pipeline=(), **clip_options):
        self.lengths = lengths
        self.read = []
        super().__init__(pipeline, **clip_options)

    def list_videos(self):
        return [
            dict(video_id=f'v{i}', video_length=length)
            for i, length in enumerate(self.lengths)
        ]

    def read_frames(self, video, frame_ids):
        self.read.append((video['video_id'], list(frame_ids)))
        return [np.full((4, 6, 3), index, np.uint8) for index in frame_ids]

    def read_masks(self, video, frame_ids):
        return [np.full((4, 6), index, np.uint8) for index in frame_ids]


def test_whole_videos_by_default():
    dataset = CountingVideos([5, 3])
    assert [dataset[i]['frame_ids'] for i in range(2)] == [
        [0, 1, 2, 3, 4],
        [0, 1, 2],
    ]
    item = dataset[1]
    assert item['video_id'] == 'v1'
    assert item['video_length'] == 3
    assert item['ori_shape'] == item['img_shape'] == (4, 6)
    assert [frame.max() for frame in item['img']] == [0, 1, 2]
    assert [mask.max() for mask in item['gt_seg_map']] == [0, 1, 2]
    strided = CountingVideos([5], frame_stride=2)
    assert strided[0]['frame_ids'] == [0, 2, 4]


def test_blocks_give_one_item_per_video_and_vary_between_visits():
    np.random.seed(0)
    dataset = CountingVideos([11, 8], clip_len=4)
    assert len(dataset) == 2
    visits = {tuple(dataset[0]['frame_ids']) for _ in range(30)}
    assert visits == {(0, 1, 2, 3), (4, 5, 6, 7)}


def test_only_the_frames_of_the_clip_are_read():
    dataset = CountingVideos([100], clip_len=3, frame_stride=5)
    frame_ids = dataset[0]['frame_ids']
    assert np.diff(frame_ids).tolist() == [5, 5]
    assert dataset.read == [('v0', frame_ids)]


def test_random_clips_start_anywhere():
    np.random.seed(0)
    dataset = CountingVideos([7], clip_len=4, clip_mode='random')
    starts = {dataset[0]['frame_ids'][0] for _ in range(60)}
    assert starts == {0, 1, 2, 3}


def test_all_blocks_are_items_and_nothing_is_drawn():
    dataset = CountingVideos([9, 4], clip_len=4, clip_mode='all')
    state = np.random.get_state()[1].copy()
    clips = [(i['video_id'], i['frame_ids'][0]) for i in dataset]
    assert clips == [('v0', 0), ('v0', 4), ('v1', 0)]
    np.testing.assert_array_equal(state, np.random.get_state()[1])


def test_many_clips_of_a_long_video_share_its_description():
    class Long(CountingVideos):
        def list_videos(self):
            frames = [f'{index:08d}.jpg' for index in range(2000)]
            return [dict(video_id='v', video_length=2000, frames=frames)]

    dataset = Long([2000], clip_len=1, clip_mode='all')
    assert len(dataset) == 2000
    assert len(dataset.data_bytes) < 500_000
    assert dataset[123]['frame_ids'] == [123]
    video = dataset.video_info(7)
    assert (len(video['frames']), video['start']) == (2000, 7)


def test_clip_longer_than_a_video_is_an_error_or_left_out():
    with pytest.raises(ValueError, match='video v1 has 3 frames.* needs 4'):
        CountingVideos([8, 3], clip_len=4)
    with pytest.raises(ValueError, match='v0 has 8 frames.* needs 10'):
        CountingVideos([8], clip_len=4, frame_stride=3)
    short = CountingVideos([8, 3, 5], clip_len=4, skip_short=True)
    assert [item['video_id'] for item in short] == ['v0', 'v2']
    with pytest.raises(ValueError, match='none of 2 videos .*clip_len=9'):
        CountingVideos([8, 3], clip_len=9, skip_short=True)


def test_unknown_mode_is_refused_before_anything_is_listed():
    with pytest.raises(ValueError, match="clip_mode='shuffled'"):
        CountingVideos(None, clip_len=4, clip_mode='shuffled')


def test_frames_and_masks_of_other_sizes_are_refused():
    class Ragged(CountingVideos):
        def read_frames(self, video, frame_ids):
            return [np.zeros((4 + i // 2, 6, 3), np.uint8) for i in frame_ids]

    class Misfit(CountingVideos):
        def read_masks(self, video, frame_ids):
            return [np.zeros((4, 5), np.uint8) for _ in frame_ids]

    with pytest.raises(ValueError, match='v0: frame 2 is 5x6, .* is 4x6'):
        Ragged([3])[0]
    with pytest.raises(ValueError, match='masks of video v0: frame 0 is 4x5'):
        Misfit([3])[0]


@pytest.mark.parametrize('num_workers', [0, 2])
def test_clips_of_a_run_follow_from_its_seed(num_workers):
    def clips(seed):
        np.random.seed(seed)  # as Runner does in the main process
        loader = Runner.build_dataloader(
            dict(
                batch_size=2,
                num_workers=num_workers,
                sampler=dict(type='InfiniteSampler', shuffle=True),
                dataset=dict(
                    type=CountingVideos,
                    lengths=[40] * 3,
                    clip_len=2,
                    pipeline=[dict(type='PackVideoInputs')],
                ),
            ),
            seed=seed,
        )
        batches = iter(loader)
        return [
            (sample.video_id, sample.frame_ids[0])
            for _ in range(6)
            for sample in next(batches)['data_samples']
        ]

    first = clips(1)
    assert first == clips(1)
    assert first != clips(2)
    assert len(set(first)) > 6  # visits of one video differ
