import pytest

from slotkd.datasets.folder_listing import (
    matching_masks,
    sparse_masks,
    videos_in,
)


def touch(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


def names(paths):
    return [path.name for path in paths]


def test_folders_and_video_files_in_counting_order(tmp_path):
    touch(tmp_path, 'clip10.mp4', 'clip9.MOV', 'notes.txt')
    for name in ('bär', '.cache'):
        (tmp_path / name).mkdir()
    assert names(videos_in(tmp_path)) == ['bär', 'clip9.MOV', 'clip10.mp4']
    touch(tmp_path, 'frame.jpg')
    assert videos_in(tmp_path) == [tmp_path]
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match='empty holds no video'):
        videos_in(tmp_path / 'empty')


FRAMES = dict(video_id='v', video_length=3, frames=['0.jpg', '5.jpg', '9.jpg'])


def test_one_mask_for_each_frame(tmp_path):
    touch(tmp_path, '0.png', '5.png', '9.png')
    assert matching_masks(tmp_path, FRAMES) == ['0.png', '5.png', '9.png']
    (tmp_path / '5.png').rename(tmp_path / '6.png')
    with pytest.raises(ValueError, match='6.png stands where frame 5.jpg'):
        matching_masks(tmp_path, FRAMES)
    (tmp_path / '6.png').unlink()
    with pytest.raises(ValueError, match='holds 2 masks for 3 frames'):
        matching_masks(tmp_path, FRAMES)


def test_masks_of_some_frames(tmp_path):
    touch(tmp_path, '5.png')
    assert sparse_masks(tmp_path, FRAMES) == [None, '5.png', None]
    touch(tmp_path, '7.png')
    with pytest.raises(ValueError, match='7.png belongs to none of the 3 fr'):
        sparse_masks(tmp_path, FRAMES)


def test_masks_of_video_files_are_numbered(tmp_path):
    touch(tmp_path, '00002.png')
    video = dict(video_id='v', video_length=3, times=[0, 1, 2])
    assert sparse_masks(tmp_path, video) == [None, None, '00002.png']
    touch(tmp_path, '00003.png')
    with pytest.raises(ValueError, match='00003.png belongs to none'):
        sparse_masks(tmp_path, video)


@pytest.mark.parametrize('pair', [matching_masks, sparse_masks])
def test_missing_and_empty_folders_are_named(tmp_path, pair):
    with pytest.raises(ValueError, match='video v has no folder of masks'):
        pair(tmp_path / 'absent', FRAMES)
    with pytest.raises(ValueError, match='holds (0 masks|no mask)'):
        pair(tmp_path, FRAMES)
