import io

import numpy as np
import pytest
from PIL import Image

from slotkd.apis.scene_files import (
    FileSet,
    davis_files,
    davis_paths,
    files_digest,
    jpeg_bytes,
    npz_files,
    npz_paths,
)


def arrays(seed=0):
    rng = np.random.default_rng(seed)
    return dict(
        video=rng.integers(0, 256, (3, 8, 8, 3)).astype(np.uint8),
        segmentations=rng.integers(0, 4, (3, 8, 8, 1)).astype(np.uint8),
        depth=rng.random((3, 8, 8, 1), np.float32),
        forward_flow=rng.random((3, 8, 8, 2), np.float32),
    )


def test_archive_holds_the_arrays():
    (content,) = npz_files('a', arrays()).values()
    with np.load(io.BytesIO(content)) as archive:
        for key, array in arrays().items():
            np.testing.assert_array_equal(archive[key], array)
    assert list(npz_files('a', arrays())) == npz_paths('a', 3, True)


def test_archives_of_the_same_arrays_are_the_same_bytes(monkeypatch):
    first = npz_files('a', arrays())
    monkeypatch.setattr('time.localtime', lambda *_: (2001, 2, 3, 4, 5, 6))
    assert npz_files('a', arrays()) == first
    assert npz_files('a', arrays(1)) != first


@pytest.mark.parametrize('with_maps', [True, False])
def test_davis_folders_hold_frames_masks_and_maps(with_maps):
    given = arrays()
    if not with_maps:
        del given['depth'], given['forward_flow']
    files = davis_files('v', given)
    assert list(files) == davis_paths('v', 3, with_maps)
    assert len(files) == 6 + 2 * with_maps
    with Image.open(io.BytesIO(files['Annotations/480p/v/00002.png'])) as mask:
        assert mask.mode == 'P'
        expected = given['segmentations'][2, ..., 0]
        np.testing.assert_array_equal(np.array(mask), expected)
    if with_maps:
        flow = np.load(io.BytesIO(files['ForwardFlow/480p/v.npy']))
        np.testing.assert_array_equal(flow, given['forward_flow'])


def test_jpeg_is_close_to_the_frame():
    ramp = np.linspace(0, 255, 32)
    frame = np.stack([*np.meshgrid(ramp, ramp), np.full((32, 32), 90.0)], -1)
    frame = frame.astype(np.uint8)
    with Image.open(io.BytesIO(jpeg_bytes(frame))) as image:
        difference = np.abs(np.array(image).astype(int) - frame)
    assert difference.mean() < 1.5


def test_digest_is_of_names_and_contents():
    files = dict(a=b'12', b=b'3')
    assert files_digest(files) == files_digest(dict(b=b'3', a=b'12'))
    for other in (dict(a=b'1', b=b'23'), dict(a=b'12', c=b'3'), dict(a=b'12')):
        assert files_digest(other) != files_digest(files)


def open_set(folder, **facts):
    return FileSet(
        folder,
        'scenes-train',
        dict(seed=0) | facts,
        paths=lambda name: [f'{name}/x', f'{name}/y'],
        list_path='names.txt',
    )


def files_of(name):
    return {f'{name}/x': b'1', f'{name}/y': name.encode()}


def test_a_set_goes_on_where_it_stopped(tmp_path):
    videos = open_set(tmp_path)
    assert not videos.is_done('a')
    for name in ('b', 'a'):
        videos.write(name, files_of(name))
    videos.save()
    assert (tmp_path / 'names.txt').read_text() == 'a\nb\n'
    again = open_set(tmp_path)
    assert again.is_done('a') and again.is_done('b') and not again.is_done('c')
    (tmp_path / 'a' / 'y').write_bytes(b'damaged')
    (tmp_path / 'b' / 'x').unlink()
    assert not again.is_done('a') and not again.is_done('b')


def test_other_facts_are_refused(tmp_path):
    videos = open_set(tmp_path)
    videos.save()
    with pytest.raises(ValueError, match='was made with seed=0, now it is 1'):
        open_set(tmp_path, seed=1)
    (tmp_path / 'scenes-train.json').write_text('{')
    with pytest.raises(ValueError, match='scenes-train.json'):
        open_set(tmp_path)
