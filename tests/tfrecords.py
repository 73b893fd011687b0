"""TFRecord files of examples, written by protobuf and plain Python."""

import io
import json
import struct
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from PIL import Image
from tensorboard.compat.tensorflow_stub import pywrap_tensorflow

_LABEL = descriptor_pb2.FieldDescriptorProto


@cache
def example_class() -> type:
    """Return the message ``tf.train.Example``, declared here."""
    file = descriptor_pb2.FileDescriptorProto(
        name='example_of_the_tests.proto', package='t', syntax='proto3'
    )

    def message(name: str, *fields: tuple) -> descriptor_pb2.DescriptorProto:
        made = file.message_type.add(name=name)
        for number, (field, kind, repeated) in enumerate(fields, 1):
            made.field.add(
                name=field,
                number=number,
                label=_LABEL.LABEL_REPEATED
                if repeated
                else _LABEL.LABEL_OPTIONAL,
                type=_LABEL.TYPE_MESSAGE if kind[0] == '.' else kind_of(kind),
                type_name=kind if kind[0] == '.' else None,
            )
        return made

    message('BytesList', ('value', 'bytes', True))
    message('FloatList', ('value', 'float', True))
    message('Int64List', ('value', 'int64', True))
    message(
        'Feature',
        ('bytes_list', '.t.BytesList', False),
        ('float_list', '.t.FloatList', False),
        ('int64_list', '.t.Int64List', False),
    )
    features = message('Features', ('feature', '.t.Features.Entry', True))
    entry = features.nested_type.add(name='Entry')
    entry.options.map_entry = True
    for number, name in ((1, 'key'), (2, 'value')):
        entry.field.add(name=name, number=number, label=_LABEL.LABEL_OPTIONAL)
    entry.field[0].type = _LABEL.TYPE_STRING
    entry.field[1].type = _LABEL.TYPE_MESSAGE
    entry.field[1].type_name = '.t.Feature'
    features.field[0].type_name = '.t.Features.Entry'
    message('Example', ('features', '.t.Features', False))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName('t.Example')
    )


def kind_of(name: str) -> int:
    """Return protobuf's number of a scalar type."""
    return getattr(_LABEL, f'TYPE_{name.upper()}')


def example(values: Mapping[str, list]) -> bytes:
    """Return an example; the type of its lists follows from their values."""
    made = example_class()()
    for name, value in values.items():
        feature = made.features.feature[name]
        if value and isinstance(value[0], bytes):
            feature.bytes_list.value.extend(value)
        elif value and isinstance(value[0], float):
            feature.float_list.value.extend(value)
        else:
            feature.int64_list.value.extend(value)
    return made.SerializeToString()


def record(data: bytes) -> bytes:
    """Return a record with the checksums of tensorboard's own writer."""
    length = struct.pack('<Q', len(data))
    checksum = pywrap_tensorflow.masked_crc32c
    return b''.join(
        [
            length,
            struct.pack('<I', checksum(length)),
            data,
            struct.pack('<I', checksum(data)),
        ]
    )


def write_records(path: Path, contents: Iterable[bytes]) -> Path:
    """Write a TFRecord file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b''.join(record(data) for data in contents))
    return path


def png(image: np.ndarray) -> bytes:
    """Return an image as the bytes of a PNG file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, 'png')
    return file.getvalue()


def movi_example(name: str, video: dict) -> dict[str, list]:
    """Return the features of one video of MOVi.

    Args:
        name: Of the video.
        video: ``video`` (T, H, W, 3) and ``segmentations`` (T, H, W, 1).
    """
    return {
        'metadata/video_name': [name.encode()],
        'metadata/num_frames': [len(video['video'])],
        'metadata/depth_range': [0.5, 2.5],
        'video': [png(frame) for frame in video['video']],
        'depth': [png(frame[..., 0]) for frame in video['video']],
        'segmentations': [
            png(mask[..., 0]) for mask in video['segmentations']
        ],
    }


def write_info(
    folder: Path, name: str, lengths: Mapping[str, list[int]]
) -> None:
    """Write ``dataset_info.json``; counts are strings, as TFDS has them."""
    folder.mkdir(parents=True, exist_ok=True)
    info = {
        'name': name,
        'version': '1.0.0',
        'fileFormat': 'tfrecord',
        'splits': [
            {
                'name': split,
                'numBytes': '0',
                'filepathTemplate': '{DATASET}-{SPLIT}.{FILEFORMAT}-'
                '{SHARD_X_OF_Y}',
                'shardLengths': [str(count) for count in counts],
            }
            for split, counts in lengths.items()
        ],
    }
    (folder / 'dataset_info.json').write_text(json.dumps(info))


def write_tfds(
    folder: Path, split: str, shards: list[list[dict]], name='movi_e'
) -> None:
    """Write the files of one split.

    Args:
        folder: The folder of one version.
        split: Name of the split.
        shards: Features of the records of each file.
        name: Name of the data set.
    """
    for index, features in enumerate(shards):
        write_records(
            folder
            / f'{name}-{split}.tfrecord-{index:05d}-of-{len(shards):05d}',
            [example(values) for values in features],
        )
