import json

import pytest

from slotkd.datasets.vos_meta import VosObject, read_vos_meta


def write(tmp_path, content):
    path = tmp_path / 'meta.json'
    path.write_text(json.dumps(content), encoding='utf-8')
    return path


def test_objects_by_video_and_label(tmp_path):
    content = dict(
        videos={
            'b': dict(
                objects={
                    '10': dict(category='ape', frames=['00005']),
                    '2': dict(frames=['00000', '00005']),
                }
            ),
            'ä': dict(objects={}),
            'a': dict(objects={'1': dict(category='кот', frames=['00000'])}),
        }
    )
    meta = read_vos_meta(write(tmp_path, content))
    assert list(meta) == ['a', 'b', 'ä']
    assert meta['a'] == {1: VosObject(category='кот', frames=('00000',))}
    assert list(meta['b']) == [2, 10]
    assert meta['b'][2].category is None


@pytest.mark.parametrize(
    ('content', 'text'),
    [
        ([], 'the file: expected an object, got'),
        ({}, "the file has no field 'videos'"),
        (dict(videos=[]), "'videos' must be an object"),
        (dict(videos=dict(a={})), "video a has no field 'objects'"),
        (
            dict(videos=dict(a=dict(objects={'0': {}}))),
            "video a: object '0'; labels are 1 to 254",
        ),
        (
            dict(videos=dict(a=dict(objects={'255': {}}))),
            "object '255'; labels are 1 to 254",
        ),
        (
            dict(videos=dict(a=dict(objects={'x': {}}))),
            "video a: object 'x'",
        ),
        (
            dict(videos=dict(a=dict(objects={'1': {}}))),
            "video a, object 1 has no field 'frames'",
        ),
        (
            dict(videos=dict(a=dict(objects={'1': dict(frames=[])}))),
            r'video a, object 1: frames are \[\]',
        ),
    ],
)
def test_broken_files_are_named(tmp_path, content, text):
    with pytest.raises(ValueError, match=f'meta.json: .*{text}'):
        read_vos_meta(write(tmp_path, content))


def test_missing_and_truncated_files_are_named(tmp_path):
    with pytest.raises(ValueError, match='list of objects .*meta.json not fo'):
        read_vos_meta(tmp_path / 'meta.json')
    (tmp_path / 'meta.json').write_text('{"videos"')
    with pytest.raises(ValueError, match='meta.json: Expecting'):
        read_vos_meta(tmp_path / 'meta.json')
