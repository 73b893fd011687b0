import os
import select
import signal
import tarfile
from io import BytesIO

import numpy as np
import pytest

from slotkd.apis.scene_sets import (
    LAYOUTS,
    SceneOrder,
    in_order,
    open_scenes,
)
from slotkd.datasets import (
    VideoArrayDataset,
    VideoFolderDataset,
    VideoTarDataset,
)

each_layout = pytest.mark.parametrize('layout', LAYOUTS)


def order(**options):
    tiny = dict(level='a', seed=3, split='train', frames=2, size=24)
    return SceneOrder(**(tiny | options))


def write(folder, layout, num_videos=3, workers=1, **options):
    """Write a set; return how many videos had to be made."""
    scenes = open_scenes(folder, layout, order(**options), num_videos)
    steps = []
    scenes.write(workers, steps.append)
    assert sum(steps) == len(scenes.missing)
    return len(scenes.missing)


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


def readers(folder, split='train'):
    listed = dict(train='train', validation='val')[split]
    return dict(
        npz=lambda: VideoArrayDataset(folder, files=f'{split}_*.npz'),
        tar=lambda: VideoTarDataset(folder, shards=f'scenes_a-{split}-*.tar'),
        davis=lambda: VideoFolderDataset(
            folder,
            frames_dir='JPEGImages/480p',
            masks_dir='Annotations/480p',
            split=f'ImageSets/2017/{listed}.txt',
        ),
    )


@each_layout
@pytest.mark.parametrize('split', ['train', 'validation'])
def test_each_layout_is_read_by_its_data_set(tmp_path, layout, split):
    write(tmp_path, layout, 2, split=split)
    dataset = readers(tmp_path, split)[layout]()
    assert len(dataset) == 2
    for index, item in enumerate(dataset):
        made = order(split=split).arrays(index)
        assert item['video_id'] == f'{split}_00000{index}'
        np.testing.assert_array_equal(
            item['gt_seg_map'], made['segmentations'][..., 0]
        )
        difference = np.abs(np.array(item['img']).astype(int) - made['video'])
        assert difference.mean() < (4 if layout == 'davis' else 1e-9)


@each_layout
def test_two_runs_and_any_number_of_workers_make_the_same_bytes(
    tmp_path, layout
):
    write(tmp_path / 'one', layout)
    write(tmp_path / 'two', layout, workers=2)
    assert contents(tmp_path / 'one') == contents(tmp_path / 'two')
    write(tmp_path / 'other', layout, seed=4)
    assert contents(tmp_path / 'one') != contents(tmp_path / 'other')


@each_layout
def test_finished_videos_are_kept_and_damaged_ones_made_again(
    tmp_path, layout
):
    assert write(tmp_path, layout) == 3
    whole = contents(tmp_path)
    assert write(tmp_path, layout) == 0
    assert contents(tmp_path) == whole
    damaged = next(
        path
        for path in sorted(tmp_path.rglob('*'))
        if path.suffix in ('.npz', '.tar', '.png')
    )
    with damaged.open('r+b') as file:
        file.seek(damaged.stat().st_size // 2)
        file.write(b'damage')
    assert write(tmp_path, layout) == (3 if layout == 'tar' else 1)
    assert contents(tmp_path) == whole


@each_layout
def test_more_videos_are_added_to_those_that_are_there(tmp_path, layout):
    write(tmp_path / 'grown', layout, 1)
    write(tmp_path / 'grown', layout, 3)
    write(tmp_path / 'whole', layout, 3)
    assert contents(tmp_path / 'grown') == contents(tmp_path / 'whole')
    with pytest.raises(ValueError, match='lists 3 videos, more than the 2'):
        open_scenes(tmp_path / 'grown', layout, order(), 2)


@each_layout
def test_an_interrupted_run_goes_on(tmp_path, layout, monkeypatch):
    monkeypatch.setattr('slotkd.apis.scene_sets.VIDEOS_PER_SHARD', 1)
    write(tmp_path / 'whole', layout)

    def stop(steps):
        raise KeyboardInterrupt

    folder = tmp_path / 'stopped'
    with pytest.raises(KeyboardInterrupt):
        open_scenes(folder, layout, order(), 3).write(1, stop)
    left = open_scenes(folder, layout, order(), 3).missing
    assert left == ([0, 1, 2] if layout == 'tar' else [1, 2])
    write(folder, layout)
    assert contents(folder) == contents(tmp_path / 'whole')


@each_layout
def test_a_set_of_other_options_is_not_mixed(tmp_path, layout):
    write(tmp_path, layout, 1)
    with pytest.raises(ValueError, match='made with seed=3, now it is 9'):
        open_scenes(tmp_path, layout, order(seed=9), 1)
    with pytest.raises(ValueError, match='made with frames=2, now it is 5'):
        open_scenes(tmp_path, layout, order(frames=5), 1)


def test_archives_also_hold_depth_and_flow(tmp_path):
    write(tmp_path / 'maps', 'tar', 1)
    made = order().arrays(0)
    with tarfile.open(tmp_path / 'maps' / 'scenes_a-train-000000.tar') as tar:
        names = tar.getnames()
        for name in names:
            key, field, _ = name.split('.')
            assert key == 'train_000000'
            array = np.load(BytesIO(tar.extractfile(name).read()))
            np.testing.assert_array_equal(array, made[field])
    assert len(names) == 4
    write(tmp_path / 'plain', 'tar', 1, maps=False)
    with tarfile.open(tmp_path / 'plain' / 'scenes_a-train-000000.tar') as tar:
        fields = {name.split('.')[1] for name in tar.getnames()}
    assert fields == {'video', 'segmentations'}


@pytest.mark.parametrize(
    ('layout', 'options', 'num_videos', 'text'),
    [
        ('zip', {}, 1, "layout='zip' is none of tar, davis, npz"),
        ('npz', {}, 0, 'videos=0'),
        ('tar', dict(level='b'), 1, "level='b'"),
        ('davis', dict(size=3), 1, 'size=3'),
    ],
)
def test_impossible_sets_are_refused(
    tmp_path, layout, options, num_videos, text
):
    with pytest.raises(ValueError, match=text):
        open_scenes(tmp_path / 'new', layout, order(**options), num_videos)
    assert list(tmp_path.iterdir()) == []


def test_a_set_needs_a_worker(tmp_path):
    with pytest.raises(ValueError, match='workers=0'):
        open_scenes(tmp_path, 'npz', order(), 1).write(0, print)


def square(index):
    return index * index


def die(index):
    os._exit(1)


def fail(index):
    raise ValueError(f'no {index}')


@pytest.mark.parametrize('workers', [1, 2])
def test_results_come_in_order(workers):
    made = in_order(square, range(9), workers)
    assert list(made) == [index**2 for index in range(9)]
    with pytest.raises(ValueError, match='no 0'):
        list(in_order(fail, range(9), workers))


def test_a_process_that_dies_is_an_error():
    with pytest.raises(RuntimeError, match='goes on where it stopped'):
        list(in_order(die, range(3), 2))


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs os.fork')
def test_workers_end_when_their_parent_is_killed():
    ours, theirs = os.pipe()
    parent = os.fork()
    if parent == 0:
        try:
            made = in_order(square, range(99), 2)  # kept, as the workers are
            next(made)
            os.write(theirs, b'!')  # the workers hold the pipe as well
            signal.pause()
        finally:
            os._exit(1)
    os.close(theirs)
    try:
        assert os.read(ours, 1) == b'!'
    finally:
        os.kill(parent, signal.SIGKILL)
        os.waitpid(parent, 0)
    ready, _, _ = select.select([ours], [], [], 20)
    assert ready and os.read(ours, 1) == b''  # nobody holds it any more
    os.close(ours)


@pytest.mark.slow
@each_layout
def test_64_videos_twice_are_the_same_bytes(tmp_path, layout):
    full = dict(level='e', frames=24, size=128)
    write(tmp_path / 'one', layout, 64, workers=2, **full)
    write(tmp_path / 'two', layout, 64, workers=1, **full)
    assert contents(tmp_path / 'one') == contents(tmp_path / 'two')
