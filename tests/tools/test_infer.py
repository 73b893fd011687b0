import json
import runpy
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from PIL import Image

from slotkd.engine import encode_label_png
from tests import tiny, tiny_vos


@pytest.fixture
def infer(repo, tmp_path, monkeypatch, capfd):
    """Return a function that runs the tool: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    cfg = Config(
        dict(
            default_scope='slotkd',
            model=tiny.slot_model(
                data_preprocessor=dict(type='VideoDataPreprocessor')
            ),
            test_pipeline=[
                dict(type='ResizeVideo', short_side=16),
                dict(type='CenterCropVideo', size=(16, 24)),
                dict(type='PackVideoInputs'),
            ],
        )
    )
    cfg.dump('config.py')
    model = tiny.build(tiny.slot_model())
    torch.save(model.state_dict(), 'weights.pth')

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, 'argv', ['infer.py', *arguments])
        # An earlier logger writes to the output of an earlier test.
        MMLogger._instance_dict.clear()
        code = 0
        try:
            path = repo / 'tools' / 'infer.py'
            runpy.run_path(str(path), run_name='__main__')
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, *capfd.readouterr()

    return run


def frames(length: int, height: int = 21, width: int = 45) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (length, height, width, 3)).astype(np.uint8)


def encode(path: str, video: np.ndarray) -> None:
    with av.open(path, 'w') as container:
        stream = container.add_stream('mpeg4', rate=Fraction(25))
        stream.height, stream.width = video.shape[1:3]
        stream.pix_fmt = 'yuv420p'
        for image in video:
            frame = av.VideoFrame.from_ndarray(image, format='rgb24')
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


ARGS = ('config.py', 'weights.pth')


def test_folder_of_frames(infer, tmp_path):
    (tmp_path / 'in').mkdir()
    for index, image in enumerate(frames(3)):
        Image.fromarray(image).save(tmp_path / 'in' / f'f{index}.png')
    code, text, errors = infer(*ARGS, 'in', '--out-dir', 'out')
    assert (code, errors) == (0, '')
    assert 'out: 3 frames of 45x21 in 4 slots' in text
    names = sorted(p.name for p in (tmp_path / 'out').rglob('*.png'))
    assert names == ['f0.png', 'f1.png', 'f2.png']
    with Image.open(tmp_path / 'out' / 'masks' / 'f0.png') as image:
        assert (image.mode, image.size) == ('P', (45, 21))
    summary = json.loads((tmp_path / 'out' / 'summary.json').read_text())
    assert summary['checkpoint'] == 'weights.pth'
    assert summary['config'] == 'config.py'


def test_video_file_and_image(infer, tmp_path):
    encode('a.mp4', frames(5, 32, 64))
    code, _, errors = infer(
        *ARGS, 'a.mp4', '--out-dir', 'a', '--batch-size', '2'
    )
    assert (code, errors) == (0, '')
    names = sorted(p.name for p in (tmp_path / 'a').rglob('*.png'))
    assert names == [f'{index:05d}.png' for index in range(5)]
    summary = json.loads((tmp_path / 'a' / 'summary.json').read_text())
    assert summary['overlay']['frames_per_s'] == 25
    Image.fromarray(frames(1)[0]).save('still.jpg')
    code, _, errors = infer(*ARGS, 'still.jpg', '--out-dir', 'b')
    assert (code, errors) == (0, '')
    assert [p.name for p in (tmp_path / 'b').rglob('*.png')] == ['still.png']


def test_options_change_the_config(infer, tmp_path):
    Image.fromarray(frames(1, 20, 80)[0]).save('still.png')
    options = ('test_pipeline.1.type=ResizeVideo', 'model.predict_from=attn')
    for name, extra in (('a', ()), ('b', ('--cfg-options', *options))):
        code, _, errors = infer(*ARGS, 'still.png', '--out-dir', name, *extra)
        assert (code, errors) == (0, '')
    unseen = [
        json.loads((tmp_path / name / 'summary.json').read_text())[
            'unseen_share'
        ]
        for name in ('a', 'b')
    ]
    assert unseen[0] > 0.5
    assert unseen[1] == 0


@pytest.mark.parametrize(
    ('arguments', 'named'),
    [
        (('no.py', 'weights.pth', 'a.png'), 'no.py'),
        (('config.py', 'no.pth', 'a.png'), 'no.pth'),
        (('config.py', 'a.png', 'a.png'), 'a.png'),
        (('config.py', 'other.pth', 'a.png'), 'other.pth'),
        ((*ARGS, 'no.mp4'), 'no.mp4'),
        ((*ARGS, 'config.py'), 'config.py'),
        ((*ARGS, 'empty'), 'empty'),
        ((*ARGS, 'broken.png'), 'broken.png'),
        ((*ARGS, 'broken'), '1.png'),
        ((*ARGS, 'small.png'), '142x16'),
        ((*ARGS, 'a.png', '--device', 'moon'), 'moon'),
        ((*ARGS, 'a.png', '--batch-size', '0'), 'batch_size'),
        ((*ARGS, 'a.png', '--batch-size', 'x'), 'batch-size'),
        ((*ARGS, 'a.png', '--cfg-options', 'modl.x=1'), 'modl'),
        (
            (*ARGS, 'a.png', '--cfg-options', 'model.initializer.num_slots=5'),
            'initializer.slots',
        ),
        ((*ARGS,), 'input'),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing(
    infer, tmp_path, arguments, named
):
    for folder in ('empty', 'broken'):
        (tmp_path / folder).mkdir()
    Image.fromarray(frames(1)[0]).save('a.png')
    Image.fromarray(frames(1, 80, 9)[0]).save('small.png')
    for name in ('0', '1'):
        Image.fromarray(frames(1)[0]).save(f'broken/{name}.png')
    whole = (tmp_path / 'a.png').read_bytes()
    for name in ('broken.png', 'broken/1.png'):
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    torch.save({'weight': torch.zeros(2)}, 'other.pth')
    code, _, errors = infer(*arguments, '--out-dir', 'out')
    assert code == 2
    assert len(errors.splitlines()) == 1
    assert errors.startswith('error: ')
    assert named in errors
    assert not (tmp_path / 'out').exists()


def test_full_folder_is_left_alone(infer, tmp_path):
    Image.fromarray(frames(1)[0]).save('a.png')
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'mine.txt').write_text('x')
    code, _, errors = infer(*ARGS, 'a.png', '--out-dir', 'out')
    assert code == 2
    assert 'mine.txt' in errors
    assert [p.name for p in (tmp_path / 'out').iterdir()] == ['mine.txt']


@pytest.fixture
def vos(infer, tmp_path):
    """Write a video, a mask and a mask-propagation model."""
    Config(
        dict(
            default_scope='slotkd',
            model=tiny_vos.vos_config(
                data_preprocessor=dict(type='VideoDataPreprocessor')
            ),
            test_pipeline=[dict(type='PackVideoInputs')],
        )
    ).dump('vos.py')
    torch.save(tiny_vos.vos_model().state_dict(), 'vos.pth')
    (tmp_path / 'bear').mkdir()
    for index, image in enumerate(frames(3, 40, 64)):
        Image.fromarray(image).save(tmp_path / 'bear' / f'{index:05d}.jpg')
    labels = np.zeros((40, 64), np.uint8)
    labels[5:20, 8:30], labels[25:35, 10:50] = 1, 2
    (tmp_path / 'first.png').write_bytes(encode_label_png(labels))
    return infer


VOS = ('vos.py', 'vos.pth', 'bear', '--task', 'vos')


def test_given_objects_are_followed(vos, tmp_path):
    code, text, errors = vos(
        *VOS, '--masks', 'first.png', '--out-dir', 'out/bear'
    )
    assert (code, errors) == (0, '')
    assert 'out/bear: 3 frames of 64x40 with 2 objects' in text
    names = sorted(p.name for p in (tmp_path / 'out' / 'bear').iterdir())
    assert names == [
        '00000.png',
        '00001.png',
        '00002.png',
        'overlay.mp4',
        'summary.json',
    ]
    with (
        Image.open(tmp_path / 'out' / 'bear' / '00000.png') as first,
        Image.open(tmp_path / 'first.png') as given,
    ):
        assert first.mode == 'P'
        np.testing.assert_array_equal(np.array(first), np.array(given))


def test_a_slot_model_proposes_what_is_followed(vos, tmp_path):
    """From frames to followed objects without any annotation."""
    code, text, errors = vos(
        *VOS, '--propose', 'config.py', 'weights.pth', '--out-dir', 'out'
    )
    # The crop of the slots' config leaves the sides of the frame unseen.
    assert (code, errors) == (0, '')
    summary = json.loads((tmp_path / 'out' / 'summary.json').read_text())
    assert summary['given'] == 'proposals'
    assert summary['objects'] == list(range(1, len(summary['objects']) + 1))
    assert f'with {len(summary["objects"])} objects' in text
    assert len(summary['objects']) >= 1 and len(summary['masks']) == 3


@pytest.mark.parametrize(
    ('arguments', 'named'),
    [
        (VOS, 'either --masks or --propose'),
        (
            (*VOS, '--masks', 'first.png', '--propose', 'a', 'b'),
            'either --masks or --propose',
        ),
        ((*VOS, '--masks', 'no.png'), 'no.png'),
        ((*VOS, '--masks', 'vos.py'), 'vos.py'),
        ((*VOS, '--masks', 'bear'), '00000.jpg'),
        ((*VOS, '--propose', 'no.py', 'weights.pth'), 'no.py'),
        ((*VOS, '--propose', 'config.py', 'no.pth'), 'no.pth'),
        ((*ARGS, 'bear', '--masks', 'first.png'), 'belong to --task vos'),
        (
            (*ARGS, 'bear', '--task', 'vos', '--masks', 'first.png'),
            'does not propagate masks',
        ),
        (('vos.py', 'vos.pth', 'bear'), 'no method stream'),
    ],
)
def test_wrong_input_of_following_takes_one_line(
    vos, tmp_path, arguments, named
):
    code, _, errors = vos(*arguments, '--out-dir', 'out')
    assert code == 2
    assert named in errors and len(errors.strip().splitlines()) == 1
    assert not (tmp_path / 'out').exists()
