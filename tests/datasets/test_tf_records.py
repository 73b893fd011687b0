import numpy as np
import pytest
from tensorboard.compat.tensorflow_stub import pywrap_tensorflow

from slotkd.datasets.tf_records import (
    ShardError,
    check_record,
    find_byte_lists,
    iterate_records,
    map_file,
)
from tests.tfrecords import example, example_class, record, write_records

VALUES = {
    'video': [b'one', b'', b'three' * 100],
    'größe': [4, -1, 2**60],
    'depth': [1.5, 2.5],
    'nothing': [],
    'metadata/video_name': ['föö'.encode()],
}


def find(data, names):
    """Return the byte strings of the first record of some bytes."""
    view = memoryview(data)
    first = next(iterate_records(view))
    check_record(view, first)
    return {
        name: [bytes(view[start:end]) for start, end in spans]
        for name, spans in find_byte_lists(view, first, names).items()
    }


def test_byte_strings_of_protobuf_are_found():
    found = find(record(example(VALUES)), set(VALUES) | {'absent'})
    assert found == {
        name: [v for v in values if isinstance(v, bytes)]
        for name, values in VALUES.items()
    }


def test_same_records_as_tensorboard_reads(tmp_path):
    rng = np.random.default_rng(0)
    path = write_records(
        tmp_path / 'a.tfrecord', [rng.bytes(n) for n in (0, 1, 7, 100_000)]
    )
    reader = pywrap_tensorflow.PyRecordReader_New(str(path))
    data = map_file(path)
    for found in iterate_records(data):
        reader.GetNext()
        check_record(data, found)
        assert bytes(data[found.start : found.end]) == reader.record()
    with pytest.raises(Exception, match='No more events'):
        reader.GetNext()


def test_unknown_fields_are_passed_over():
    """Fields that a later protocol might add, of every wire type."""
    extra = (
        b'\x78\x96\x01'  # field 15, number 150
        b'\x79' + bytes(8) + b'\x7a\x02ab'  # 64 bits, 2 bytes
        b'\x7d' + bytes(4)  # 32 bits
    )
    data = record(extra + example(VALUES) + extra)
    assert find(data, {'video'}) == {'video': VALUES['video']}


def test_empty_file_holds_no_record(tmp_path):
    path = tmp_path / 'a'
    path.touch()
    assert list(iterate_records(map_file(path))) == []


@pytest.mark.parametrize('cut', [1, 4, 5, 20])
def test_cut_in_the_data(cut):
    data = record(b'x' * 30) + record(b'y' * 30)
    records = iterate_records(memoryview(data[:-cut]))
    next(records)
    text = f'is cut short: {34 - cut} of 34 bytes of record 1 are there'
    with pytest.raises(ShardError, match=text):
        next(records)


def test_cut_in_the_head():
    records = iterate_records(memoryview(record(b'x' * 30) + b'1234567'))
    next(records)
    text = 'ends after 7 of 12 bytes of the head of record 1'
    with pytest.raises(ShardError, match=text):
        next(records)


def test_damaged_length_is_not_followed():
    data = bytearray(record(b'x' * 30) + record(b'y' * 30))
    data[46 + 2] ^= 1
    records = iterate_records(memoryview(data))
    next(records)
    with pytest.raises(
        ShardError, match='damaged at byte 46: the length of record 1 has ch'
    ):
        next(records)


def test_damaged_data_are_found_and_passed():
    data = bytearray(record(b'x' * 30) + record(b'y' * 30))
    data[20] ^= 1
    view = memoryview(data)
    first, second = iterate_records(view)
    with pytest.raises(ValueError, match='is damaged: its data have checksum'):
        check_record(view, first)
    check_record(view, second)


@pytest.mark.parametrize('seed', range(40))
def test_noise_is_no_example(seed):
    """Whatever the bytes are: a ValueError, or spans inside the record."""
    rng = np.random.default_rng(seed)
    data = bytearray(example(VALUES))
    for place in rng.integers(0, len(data), 6):
        data[place] = rng.integers(256)
    noise = memoryview(record(bytes(data)))
    (only,) = iterate_records(noise)
    try:
        found = find_byte_lists(noise, only, set(VALUES))
    except ValueError as error:
        assert 'is no example' in str(error)
        return
    for spans in found.values():
        assert all(
            only.start <= start <= end <= only.end for start, end in spans
        )


@pytest.mark.parametrize(
    ('data', 'text'),
    [
        (b'\x0a\x05ab', 'a field runs past byte'),
        (b'\x0b\x01', 'wire type 3 at byte'),
        (b'\x80' * 11, 'no number ends before byte'),
        (b'\x0a', 'no number ends before byte'),
    ],
)
def test_malformed_messages_are_named(data, text):
    view = memoryview(record(data))
    (only,) = iterate_records(view)
    with pytest.raises(ValueError, match=f'is no example: {text}'):
        find_byte_lists(view, only, {'video'})


def test_protobuf_of_the_tests_round_trips():
    made = example_class()()
    made.ParseFromString(example(VALUES))
    assert list(made.features.feature['größe'].int64_list.value) == [
        4,
        -1,
        2**60,
    ]
