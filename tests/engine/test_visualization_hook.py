import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.model import ImgDataPreprocessor
from mmengine.runner import Runner
from mmengine.visualization import Visualizer
from PIL import Image
from torch import nn

from slotkd.datasets import VideoFolderDataset
from slotkd.engine import SlotVisualizationHook, draw_clip, slot_colors
from slotkd.engine.visualization_hook import (
    pixels,
    safe_name,
    spread,
    teacher_masks,
)
from slotkd.models.distillers import Distiller
from slotkd.registry import HOOKS
from slotkd.structures import VideoDataSample
from tests import tiny, toy_run

CLIP = (torch.rand(5, 3, 16, 24) * 255).to(torch.uint8)


class Pictures:
    """Collects what a hook sends to the visualizer."""

    def __init__(self) -> None:
        self.sent: dict[str, tuple[np.ndarray, int]] = {}

    def add_image(self, name, image, step=0) -> None:
        self.sent[name] = (image, step)


class FakeRunner(Runner):
    """What the hook asks of a runner."""

    iter = 0

    def __init__(self, model: nn.Module, iteration: int = 0) -> None:
        self.model = model
        self.iter = iteration
        self.visualizer = Pictures()


def student() -> nn.Module:
    config = tiny.slot_model(
        data_preprocessor=dict(type='VideoDataPreprocessor')
    )
    return tiny.build(config).eval()


def distiller(**changes) -> Distiller:
    parts = dict(
        student=tiny.build(tiny.slot_model()),
        teacher=tiny.build(tiny.slot_model(slot_dim=24)),
        distill_losses={},
        data_preprocessor=dict(type='VideoDataPreprocessor'),
    )
    return Distiller(**parts | changes).eval()


def batch(model: nn.Module, *names: str) -> tuple[dict, list]:
    """Return a batch of clips and the model's outputs on it."""
    samples = []
    for name in names:
        sample = VideoDataSample(metainfo=dict(video_id=name))
        sample.gt_masks = torch.zeros(5, 16, 24, dtype=torch.int64)
        sample.gt_masks[:, 2:9, 3:9] = 1
        samples.append(sample)
    data = dict(inputs=[CLIP.clone() for _ in names], data_samples=samples)
    return data, model.val_step(data)


def run(hook, runner, mode, *batches) -> None:
    """Send batches through a hook as a loop would."""
    getattr(hook, f'before_{mode}_epoch')(runner)
    for index, (data, outputs) in enumerate(batches):
        getattr(hook, f'after_{mode}_iter')(runner, index, data, outputs)


def columns(sheet: np.ndarray, width: int) -> int:
    """Count the panels of a sheet from its width."""
    return (sheet.shape[1] - 40) // (width + 6)


def test_student_teacher_and_truth_stand_side_by_side():
    model = distiller()
    runner = FakeRunner(model, 7)
    run(SlotVisualizationHook(), runner, 'val', batch(model, 'a', 'b/ö c'))
    assert list(runner.visualizer.sent) == ['val_000_a', 'val_001_b_ö_c']
    sheet, step = runner.visualizer.sent['val_000_a']
    assert step == 7
    assert sheet.dtype == np.uint8
    assert columns(sheet, 240) == 4


def test_a_model_without_teacher_has_three_columns():
    model = student()
    runner = FakeRunner(model)
    run(SlotVisualizationHook(), runner, 'test', batch(model, 'a'))
    sheet, _ = runner.visualizer.sent['test_000_a']
    assert columns(sheet, 240) == 3


def test_without_truth_there_is_no_column_of_it():
    model = student()
    sample = VideoDataSample()
    data = dict(inputs=[CLIP], data_samples=[sample])
    runner = FakeRunner(model)
    run(SlotVisualizationHook(), runner, 'val', (data, model.val_step(data)))
    sheet, _ = runner.visualizer.sent['val_000_video_0']
    assert columns(sheet, 240) == 2


def test_missing_teacher_is_logged_and_left_out(tmp_path, capfd):
    model = distiller(
        teacher=tiny.slot_model(slot_dim=24),
        teacher_checkpoint=str(tmp_path / 'gone.pth'),
    )
    runner = FakeRunner(model)
    hook = SlotVisualizationHook()
    run(hook, runner, 'test', batch(model, 'a'), batch(model, 'b'))
    assert [columns(s, 240) for s, _ in runner.visualizer.sent.values()] == [
        3,
        3,
    ]
    out, err = capfd.readouterr()
    assert (out + err).count('gone.pth') == 1


def test_a_teacher_that_does_not_fit_is_an_error(tmp_path):
    weights = {'foo': torch.zeros(2)}
    torch.save({'state_dict': weights}, tmp_path / 'other.pth')
    model = distiller(
        teacher=tiny.slot_model(slot_dim=24),
        teacher_checkpoint=str(tmp_path / 'other.pth'),
    )
    with pytest.raises(ValueError, match='other.pth does not fit'):
        run(
            SlotVisualizationHook(),
            FakeRunner(model),
            'test',
            batch(model, 'a'),
        )


def test_teacher_can_be_left_out():
    model = distiller()
    runner = FakeRunner(model)
    hook = SlotVisualizationHook(draw_teacher=False)
    run(hook, runner, 'val', batch(model, 'a'))
    sheet, _ = runner.visualizer.sent['val_000_a']
    assert columns(sheet, 240) == 3


def test_teacher_masks_are_the_teachers_own():
    noisy = dict(
        initializer=dict(type='GaussianInitializer', num_slots=4, slot_dim=24)
    )
    model = distiller(
        teacher=tiny.build(tiny.slot_model(slot_dim=24, **noisy))
    )
    data, (sample,) = batch(model, 'a')
    before = sample.pred_masks.clone()
    torch.manual_seed(3)
    drawn = teacher_masks(model, model.teacher, CLIP, sample)
    following = torch.rand(4)
    torch.manual_seed(3)
    torch.testing.assert_close(torch.rand(4), following)
    torch.manual_seed(3)
    inputs = model.data_preprocessor(dict(inputs=[CLIP]), False)['inputs']
    (expected,) = model.teacher(inputs, mode='predict')
    assert torch.equal(drawn, expected.pred_masks)
    assert torch.equal(sample.pred_masks, before)


@pytest.mark.parametrize('mode', ['val', 'test'])
def test_no_more_videos_are_drawn_than_wished(mode):
    model = student()
    runner = FakeRunner(model)
    hook = SlotVisualizationHook(interval=2, max_videos=2)
    batches = [batch(model, 'a', 'b'), batch(model, 'c', 'd', 'e', 'f')]
    for _ in range(2):  # the count starts anew with each evaluation
        runner.visualizer.sent.clear()
        run(hook, runner, mode, *batches)
        assert list(runner.visualizer.sent) == [
            f'{mode}_000_a',
            f'{mode}_002_c',
        ]


def test_a_test_with_out_dir_writes_every_video(tmp_path):
    model = student()
    runner = FakeRunner(model)
    hook = SlotVisualizationHook(max_videos=1, out_dir=str(tmp_path / 'o'))
    run(hook, runner, 'test', batch(model, 'a', '../b'), batch(model, 'c'))
    files = sorted(path.name for path in (tmp_path / 'o').iterdir())
    assert files == ['000_a.png', '001_b.png', '002_c.png']
    assert list(runner.visualizer.sent) == ['test_000_a']
    sheet, _ = runner.visualizer.sent['test_000_a']
    with Image.open(tmp_path / 'o' / '000_a.png') as image:
        np.testing.assert_array_equal(np.array(image), sheet)


def test_validations_do_not_overwrite_each_other(tmp_path):
    model = student()
    hook = SlotVisualizationHook(out_dir=str(tmp_path))
    for iteration in (5, 10):
        run(hook, FakeRunner(model, iteration), 'val', batch(model, 'a'))
    files = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob('*.png'))
    assert [str(f) for f in files] == [
        'iter_000005/000_a.png',
        'iter_000010/000_a.png',
    ]


def test_pixels_are_those_of_the_batch_in_rgb():
    config = tiny.slot_model(
        data_preprocessor=dict(
            type='VideoDataPreprocessor',
            mean=(0, 0, 0),
            std=(1, 1, 1),
            bgr_to_rgb=True,
        )
    )
    model = tiny.build(config).eval()
    clip = torch.zeros(1, 3, 16, 24)
    clip[:, 0] = 300.0  # blue where channels arrive as B, G, R
    data = dict(inputs=[clip], data_samples=[VideoDataSample()])
    runner = FakeRunner(model)
    run(SlotVisualizationHook(), runner, 'val', (data, model.val_step(data)))
    ((sheet, _),) = runner.visualizer.sent.values()
    panel = sheet[-160:-20, 50:270]
    assert (panel == (0, 0, 255)).all()


@pytest.mark.parametrize(('swaps', 'red'), [(True, 0), (False, 9)])
def test_pixels_are_in_rgb_after_a_preprocessor_of_mmengine_too(swaps, red):
    model = tiny.build(tiny.slot_model())
    model.data_preprocessor = ImgDataPreprocessor(
        mean=[0] * 3, std=[1] * 3, bgr_to_rgb=swaps
    )
    clip = torch.zeros(1, 3, 2, 2)
    clip[:, 0] = 9.0
    assert pixels(clip, model)[0, 0, 0, 0] == red


def test_slot_colors_are_the_same_in_all_columns():
    masks = np.full((1, 8, 8), 3)
    frames = np.full((1, 8, 8, 3), 200, np.uint8)
    sheet = draw_clip(
        frames, {'student': masks, 'teacher': masks}, names=['0']
    )
    student_panel = sheet[-200:-10, 310:540]
    teacher_panel = sheet[-200:-10, 570:800]
    assert (student_panel == student_panel[0, 0]).all()
    np.testing.assert_array_equal(student_panel, teacher_panel[:, :230])
    expected = 0.45 * 200 + 0.55 * slot_colors(4)[3]
    np.testing.assert_allclose(student_panel[0, 0], expected, atol=0.51)


def test_background_of_truth_stays_clear_but_slot_0_does_not():
    frames = np.full((1, 8, 8, 3), 200, np.uint8)
    labels = np.zeros((1, 8, 8), int)
    sheet = draw_clip(frames, dict(truth=labels, model=labels), names=['0'])
    assert (sheet[-200:-10, 310:540] == 200).all()
    assert not (sheet[-200:-10, 570:800] == 200).all(-1).any()


@pytest.mark.parametrize(
    ('length', 'most', 'expected'),
    [(1, 6, [0]), (3, 6, [0, 1, 2]), (24, 4, [0, 8, 15, 23]), (9, 1, [0])],
)
def test_frames_are_spread_over_the_video(length, most, expected):
    assert spread(length, most) == expected


def test_names_are_safe_for_files():
    assert safe_name('../a b/../c') == 'a_b_.._c'
    assert '/' not in safe_name('a/b')
    assert safe_name('..') == 'video'
    assert safe_name('ünï-1.2') == 'ünï-1.2'


@pytest.mark.parametrize(
    'name', ['interval', 'max_videos', 'max_frames', 'long_side']
)
def test_counts_must_be_positive(name):
    with pytest.raises(ValueError, match=f'{name} must be at least 1, got 0'):
        SlotVisualizationHook(**{name: 0})


def test_a_run_leaves_pictures_and_events(tmp_path):
    teacher = tiny.build(toy_run.teacher())
    torch.save(teacher.state_dict(), tmp_path / 'teacher.pth')
    cfg: Config = toy_run.config(
        model=toy_run.distiller(str(tmp_path / 'teacher.pth')),
        visualizer=dict(
            type='Visualizer',
            vis_backends=[
                dict(type='LocalVisBackend'),
                dict(type='TensorboardVisBackend'),
            ],
        ),
    )
    cfg.train_cfg = dict(
        type='IterBasedTrainLoop', max_iters=2, val_interval=2
    )
    cfg.default_hooks.visualization = dict(
        type='SlotVisualizationHook', max_videos=2
    )
    runner = toy_run.runner(cfg, tmp_path / 'run')
    runner.train()
    Visualizer.get_current_instance().close()
    names = {path.name for path in (tmp_path / 'run').rglob('*.png')}
    assert {name[:8] for name in names} == {'val_000_', 'val_001_'}
    events = list((tmp_path / 'run').rglob('events.out.tfevents*'))
    assert b'val_000_shapes' in events[0].read_bytes()


def test_davis_frames_are_drawn(shared, tmp_path):
    data = VideoFolderDataset(
        shared / 'data' / 'davis_mini',
        [
            dict(type='ResizeVideo', size=(48, 80)),
            dict(type='PackVideoInputs'),
        ],
        frames_dir='JPEGImages/480p',
        masks_dir='Annotations/480p',
        split='ImageSets/2017/val.txt',
        clip_len=4,
    )[0]
    model = tiny.build(
        tiny.slot_model(
            grid=(12, 20),
            data_preprocessor=dict(type='VideoDataPreprocessor'),
        )
    ).eval()
    packed = dict(inputs=[data['inputs']], data_samples=[data['data_samples']])
    hook = HOOKS.build(
        dict(type='SlotVisualizationHook', out_dir=str(tmp_path))
    )
    runner = FakeRunner(model)
    run(hook, runner, 'test', (packed, model.val_step(packed)))
    (file,) = tmp_path.iterdir()
    with Image.open(file) as image:
        assert image.size == (40 + 3 * 246, 50 + 4 * (144 + 6))
