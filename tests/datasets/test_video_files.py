import numpy as np
import pytest

from slotkd.datasets import frame_times, read_video_frames


def levels(frames):
    return [float(np.mean(frame)) for frame in frames]


@pytest.mark.parametrize('suffix', ['.mp4', '.mkv'])
def test_frames_are_found_by_their_position(tmp_path, write_video, suffix):
    path = write_video(tmp_path / f'clip{suffix}', 14)
    times = frame_times(path)
    assert len(times) == 14
    for ids in ([0], [13], [2, 3, 4], [1, 5, 9], list(range(14))):
        frames = read_video_frames(path, [times[i] for i in ids])
        assert frames[0].shape == (32, 48, 3)
        assert frames[0].dtype == np.uint8
        expected = [20 + 10 * i for i in ids]
        assert levels(frames) == pytest.approx(expected, abs=4)


def test_broken_files_are_named(tmp_path, write_video):
    path = write_video(tmp_path / 'clip.mp4', 14)
    data = path.read_bytes()
    (tmp_path / 'text.mp4').write_bytes(b'this is no video at all')
    (tmp_path / 'short.mp4').write_bytes(data[: len(data) // 2])
    for name in ('text.mp4', 'short.mp4'):
        with pytest.raises(ValueError, match=f'video .*{name} '):
            frame_times(tmp_path / name)
    with pytest.raises(ValueError, match='no.mp4 does not exist'):
        frame_times(tmp_path / 'no.mp4')


def test_missing_frames_are_counted(tmp_path, write_video):
    path = write_video(tmp_path / 'clip.mp4', 6)
    times = frame_times(path)
    with pytest.raises(ValueError, match='clip.mp4 .* 1 of 2 frames'):
        read_video_frames(path, [times[5], times[5] * 100])
