"""Small videos on disk, written by the tests themselves."""

from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

# Pillow keeps label 255 only if the palette has that many entries.
PALETTE = list(range(256)) * 3


def shaded_video(length, height=24, width=32):
    """Return frames whose brightness says their index."""
    video = np.zeros((length, height, width, 3), np.uint8)
    video += (10 * np.arange(length, dtype=np.uint8) + 20)[:, None, None, None]
    return video


@pytest.fixture
def write_davis(tmp_path):
    """Return a function that writes sequences in the layout of DAVIS."""

    def write(lengths, height=24, width=32):
        for name, length in lengths.items():
            frames = tmp_path / 'JPEGImages' / '480p' / name
            masks = tmp_path / 'Annotations' / '480p' / name
            frames.mkdir(parents=True)
            masks.mkdir(parents=True)
            for index, frame in enumerate(shaded_video(length, height, width)):
                Image.fromarray(frame).save(frames / f'{index:05d}.jpg')
                labels = np.zeros((height, width), np.uint8)
                labels[4:10, 4 + index : 12 + index] = 1
                labels[14:20, 2:8] = 3
                labels[0, :2] = 255
                mask = Image.fromarray(labels)
                mask.putpalette(PALETTE)
                mask.save(masks / f'{index:05d}.png')
        split = tmp_path / 'ImageSets' / '2017' / 'train.txt'
        split.parent.mkdir(parents=True)
        split.write_text('\n'.join(lengths) + '\n')
        return tmp_path

    return write


@pytest.fixture
def davis_options():
    """Return the options of VideoFolderDataset for DAVIS."""
    return dict(
        frames_dir='JPEGImages/480p',
        masks_dir='Annotations/480p',
        split='ImageSets/2017/train.txt',
    )


@pytest.fixture
def write_video():
    """Return a function that encodes shaded frames as a video file."""

    def write(path, length, height=32, width=48):
        with av.open(str(path), 'w') as container:
            stream = container.add_stream('mpeg4', rate=Fraction(12))
            stream.height, stream.width = height, width
            stream.pix_fmt = 'yuv420p'
            stream.codec_context.gop_size = 4
            for image in shaded_video(length, height, width):
                frame = av.VideoFrame.from_ndarray(image, format='rgb24')
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return write
