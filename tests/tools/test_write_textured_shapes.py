"""The synthetic videos on disk read back as they were drawn."""

import subprocess
import sys

import numpy as np

from slotkd.datasets import MovingTexturedShapes, VideoFolderDataset


def write(repo, *arguments):
    return subprocess.run(
        [sys.executable, str(repo / 'tools/write_textured_shapes.py')]
        + [str(argument) for argument in arguments],
        capture_output=True,
        text=True,
    )


def test_videos_read_back(repo, tmp_path):
    options = ['--num-videos', 4, '--seed', 5, '--num-frames', 6]
    done = write(repo, tmp_path, '--split', 'val', *options)
    assert done.returncode == 0, done.stderr
    disk = VideoFolderDataset(
        tmp_path,
        frames_dir='JPEGImages/480p',
        masks_dir='Annotations/480p',
        split='ImageSets/2017/val.txt',
    )
    drawn = MovingTexturedShapes(4, 5, num_frames=6)
    assert len(disk) == 4
    for a, b in zip(disk, drawn, strict=False):
        assert a['video_id'] == b['video_id']
        np.testing.assert_array_equal(a['gt_seg_map'], b['gt_seg_map'])
        error = np.array(a['img'], float) - np.array(b['img'], float)
        assert np.abs(error).mean() < 8
    again = write(repo, tmp_path, '--split', 'val', *options)
    assert again.returncode == 2 and 'val.txt exists' in again.stderr
    wrong = write(repo, tmp_path / 'new', '--quality', 0)
    assert wrong.returncode == 2 and 'got 0' in wrong.stderr
