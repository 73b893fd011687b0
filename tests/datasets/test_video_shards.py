import json

import numpy as np
import pytest

from slotkd.datasets.shard_index import ShardContent
from slotkd.datasets.video_problems import gathering_problems
from slotkd.datasets.video_shards import VideoShardDataset


class TextShards(VideoShardDataset):
    """Each line of a file is a video: its name and length."""

    kind = 'text'

    def scan_shard(self, path):
        head, *lines = path.read_text().splitlines()
        videos = [dict(video_id=line) for line in lines]
        return ShardContent(videos=videos, problem=head or None)

    def describe_video(self, path, video):
        name, length = video['video_id'].split()
        if int(length) < 1:
            raise ValueError(f'video {name} has {length} frames')
        return dict(video_id=name, video_length=int(length), ori_shape=(2, 2))

    def read_frames(self, video, frame_ids):
        return [np.full((2, 2, 3), index, np.uint8) for index in frame_ids]

    def read_masks(self, video, frame_ids):
        return None


@pytest.fixture
def root(tmp_path):
    """Return a folder with a good, a bad and a cut shard."""
    (tmp_path / 'good-1.txt').write_text('\ncat 4\ndog 9')
    (tmp_path / 'bad-1.txt').write_text('\nemu 0\nfox 4\ngnu -1')
    (tmp_path / 'cut-1.txt').write_text('is cut short\nhen 5')
    return tmp_path


def ids(dataset):
    return [(item['video_id'], item['frame_ids'][0]) for item in dataset]


def test_clips_are_cut_as_in_every_reader(root):
    dataset = TextShards(
        root, shards='good-{1..1}.txt', clip_len=4, clip_mode='all'
    )
    assert ids(dataset) == [('cat', 0), ('dog', 0), ('dog', 4)]
    assert dataset.problems == []


def test_shards_come_in_the_order_of_the_patterns(root):
    options = dict(skip_broken=True)
    names = [
        item[0]
        for item in ids(
            TextShards(root, shards=['cut-1.txt', '[bg]*.txt'], **options)
        )
    ]
    assert names == ['hen', 'fox', 'cat', 'dog']


def test_first_problem_is_raised_with_the_number_of_others(root):
    with pytest.raises(ValueError) as caught:
        TextShards(root, shards='*.txt')
    assert str(caught.value) == (
        f'{root}/bad-1.txt: video emu has 0 frames (2 more like this); '
        'skip_broken=True leaves out what is broken'
    )
    with pytest.raises(ValueError, match='cut-1.txt is cut short; skip_brok'):
        TextShards(root, shards='cut-1.txt')


def test_left_out_parts_are_counted(root, capsys):
    dataset = TextShards(root, shards='*.txt', skip_broken=True)
    assert len(dataset) == 4
    assert dataset.problems == [
        f'{root}/bad-1.txt: video emu has 0 frames',
        f'{root}/bad-1.txt: video gnu has -1 frames',
        f'{root}/cut-1.txt is cut short',
    ]
    told = capsys.readouterr().out
    assert f'left out 3 broken parts of {root}, the first: {root}/bad' in told


def test_problems_are_handed_to_who_gathers_them(root):
    for skip_broken in (False, True):
        with gathering_problems() as gathered:
            dataset = TextShards(root, shards='*.txt', skip_broken=skip_broken)
        assert len(dataset) == 4
        found, other = gathered.problems, gathered.skipped
        if skip_broken:
            found, other = other, found
        assert found == dataset.problems and other == []


def test_options_do_not_touch_the_index(root):
    TextShards(root, shards='*.txt', skip_broken=True, clip_len=4)
    (path,) = root.glob('slotkd_index_text_*.json')
    before = path.stat()
    TextShards(root, shards='*.txt', skip_broken=True)
    after = path.stat()
    assert (before.st_ino, before.st_mtime_ns) == (
        after.st_ino,
        after.st_mtime_ns,
    )
    shards = json.loads(path.read_text())['shards']
    assert list(shards) == ['bad-1.txt', 'cut-1.txt', 'good-1.txt']


def test_nothing_to_read_is_an_error(root):
    (root / 'none.txt').write_text('\n')
    with pytest.raises(
        ValueError, match=r'no video in 1 shards that match none.txt, none.\*'
    ):
        TextShards(root, shards=['none.txt', 'none.*'])
    with pytest.raises(ValueError, match=r'no shard in .* matches x\*'):
        TextShards(root, shards='x*')
