import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.infer import BaseInferencer
from PIL import Image

from slotkd.apis import SlotInferencer
from slotkd.registry import INFERENCERS
from slotkd.structures import SlotOutput, SlotState
from tests import tiny

SQUEEZE = [dict(type='ResizeVideo', size=(16, 24))]
CROP = [
    dict(type='ResizeVideo', short_side=16),
    dict(type='CenterCropVideo', size=16),
]


def config(pipeline=SQUEEZE, **parts) -> Config:
    parts = dict(data_preprocessor=dict(type='VideoDataPreprocessor')) | parts
    return Config(
        dict(
            default_scope='slotkd',
            model=tiny.slot_model(**parts),
            test_pipeline=[*pipeline, dict(type='PackVideoInputs')],
        )
    )


def video(length: int, height: int = 20, width: int = 31) -> np.ndarray:
    """Return smooth random frames, so that slots find something."""
    coarse = np.random.default_rng(1).integers(0, 256, (length, 4, 5, 3))
    return np.stack(
        [
            np.array(
                Image.fromarray(frame.astype(np.uint8)).resize((width, height))
            )
            for frame in coarse
        ]
    )


def masks_of(results: dict) -> np.ndarray:
    (sample,) = results['predictions']
    return sample.pred_masks.numpy()


def bright_spots(model, grid: tuple[int, int]) -> None:
    """Make a model give slot 1 to bright patches and slot 0 to others."""

    def stream(inputs, state, fields):
        light = torch.nn.functional.adaptive_avg_pool2d(
            inputs.flatten(0, 1).mean(1, keepdim=True), grid
        )
        logits = torch.cat([-light, light], dim=1).flatten(2)[None]
        slots = torch.zeros(1, inputs.shape[1], 2, 4)
        output = SlotOutput(
            slots=slots,
            slots_init=slots[:, 0],
            attn_logits=20 * logits,
            mask_logits=20 * logits,
            feats=torch.zeros(1, len(slots[0]), grid[0] * grid[1], 3),
            tokens=torch.zeros(1, len(slots[0]), grid[0] * grid[1], 3),
            grid=grid,
        )
        return output, SlotState(slots=slots[:, 0])

    model.stream = stream


@pytest.mark.parametrize('length', [1, 7])
@pytest.mark.parametrize('size', [1, 3, 7, 100])
def test_parts_of_a_video_give_the_masks_of_the_whole(length, size):
    inferencer = SlotInferencer(config())
    frames = video(length)
    got = masks_of(inferencer(frames, size))
    assert got.shape == frames.shape[:3]
    assert got.dtype == np.uint8
    expected = masks_of(inferencer(frames, 50))
    np.testing.assert_array_equal(got, expected)
    assert len(np.unique(got)) > 1


@pytest.mark.parametrize('field', ['masks', 'attn'])
def test_at_the_networks_size_masks_are_those_of_predict(field):
    inferencer = SlotInferencer(config(predict_from=field))
    frames = video(5, 16, 24)
    model = inferencer.model
    clip = torch.from_numpy(frames).permute(0, 3, 1, 2)
    data = model.data_preprocessor(dict(inputs=[clip]), False)
    (sample,) = model(**data, mode='predict')
    got = masks_of(inferencer(frames, 2))
    np.testing.assert_array_equal(got, sample.pred_masks.numpy())


def test_random_initial_slots_are_drawn_alike_for_each_video():
    parts = dict(
        initializer=dict(type='GaussianInitializer', num_slots=4, slot_dim=16)
    )
    inferencer = SlotInferencer(config(**parts))
    frames = video(5)
    torch.manual_seed(5)
    first = masks_of(inferencer(frames, 2))
    follows = torch.rand(2)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(2), follows)
    np.testing.assert_array_equal(masks_of(inferencer(frames, 3)), first)
    inferencer.seed = 1
    assert (masks_of(inferencer(frames)) != first).any()


@pytest.mark.parametrize('size', [(48, 96), (96, 48), (37, 71), (480, 854)])
def test_masks_lie_where_things_are_in_frames_that_are_not_square(size):
    inferencer = SlotInferencer(config(CROP))
    bright_spots(inferencer.model, (16, 16))
    height, width = size
    frames = np.zeros((2, height, width, 3), np.uint8)
    spot = slice(height // 4, height // 2), slice(width // 2, 3 * width // 4)
    frames[:, spot[0], spot[1]] = 255
    masks = masks_of(inferencer(frames))
    short = min(size)
    top, left = (height - short) / 2, (width - short) / 2
    y, x = np.mgrid[:height, :width] + 0.5
    seen = (abs(y - height / 2) < short / 2) & (abs(x - width / 2) < short / 2)
    slack = short / 16 + 1  # a patch of the network, and rounding
    edges = (
        seen
        & (np.minimum(abs(y - top), abs(y - height + top)) > slack)
        & (np.minimum(abs(x - left), abs(x - width + left)) > slack)
    )
    certain = edges & (
        np.minimum.reduce(
            [
                abs(y - spot[0].start),
                abs(y - spot[0].stop),
                abs(x - spot[1].start),
                abs(x - spot[1].stop),
            ]
        )
        > slack
    )
    truth = frames[0, :, :, 0] // 255
    np.testing.assert_array_equal(masks[0][certain], truth[certain])
    assert (masks[0][certain] == 1).sum() > 10
    outside = (abs(y - height / 2) > short / 2 + slack) | (
        abs(x - width / 2) > short / 2 + slack
    )
    assert (masks[:, outside] == 255).all()
    assert (masks[:, edges] != 255).all()


def test_normalisation_is_the_configs():
    frames = np.full((1, 16, 24, 3), 100, np.uint8)
    inferencer = SlotInferencer(
        config(
            data_preprocessor=dict(
                type='VideoDataPreprocessor', mean=[100] * 3, std=[1] * 3
            )
        )
    )
    seen = []
    stream = inferencer.model.stream
    inferencer.model.stream = lambda x, *rest: (
        seen.append(x),
        stream(x, *rest),
    )[1]
    inferencer(frames)
    assert seen[0].shape == (1, 1, 3, 16, 24)
    assert not seen[0].any()


def test_memory_does_not_hold_the_video():
    inferencer = SlotInferencer(config())
    sizes = []
    stream = inferencer.model.stream
    inferencer.model.stream = lambda x, *rest: (
        sizes.append(x.shape[1]),
        stream(x, *rest),
    )[1]
    results = inferencer(video(10), 4, return_masks=False)
    assert sizes == [4, 4, 2]
    assert 'pred_masks' not in results['predictions'][0]


@pytest.mark.parametrize('num_slots', [1, 2, 15, 40])
def test_any_number_of_slots(tmp_path, num_slots):
    slots = dict(type='LearnedInitializer', num_slots=num_slots, slot_dim=16)
    inferencer = SlotInferencer(config(initializer=slots))
    results = inferencer(video(2), out_dir=tmp_path / 'out')
    assert masks_of(results).max() < num_slots
    summary = json.loads((tmp_path / 'out' / 'summary.json').read_text())
    assert summary['num_slots'] == num_slots == len(summary['pixel_share'])
    assert sum(summary['pixel_share']) == pytest.approx(1)


def test_more_slots_than_labels_are_refused():
    slots = dict(type='LearnedInitializer', num_slots=256, slot_dim=16)
    with pytest.raises(ValueError, match='255 slots, the model has 256'):
        SlotInferencer(config(initializer=slots))


def test_written_masks_are_the_returned_ones(tmp_path):
    frames = video(3)
    for name, frame in zip(('b_10', 'b_9', 'ä'), frames, strict=True):
        opaque = np.full((20, 31, 1), 255, np.uint8)
        rgba = np.concatenate([frame, opaque], axis=2)
        (tmp_path / 'in').mkdir(exist_ok=True)
        Image.fromarray(rgba).save(tmp_path / 'in' / f'{name}.png')
    inferencer = SlotInferencer(config())
    results = inferencer(tmp_path / 'in', 2, tmp_path / 'out')
    for name, labels in zip(
        ('b_9', 'b_10', 'ä'), masks_of(results), strict=True
    ):
        with Image.open(tmp_path / 'out' / 'masks' / f'{name}.png') as image:
            assert (image.mode, image.size) == ('P', (31, 20))
            np.testing.assert_array_equal(np.array(image), labels)
    assert results['visualization'] == [str(tmp_path / 'out' / 'overlay.mp4')]
    text = (tmp_path / 'out' / 'summary.json').read_text(encoding='utf-8')
    summary = json.loads(text)
    assert summary['input'] == str(tmp_path / 'in')
    assert (summary['kind'], summary['frames']) == ('frames', 3)
    assert summary['size'] == [20, 31]
    assert summary['network_size'] == [16, 24]
    assert summary['unseen_share'] == 0
    assert summary['frames_per_s'] > 0
    assert summary['masks'][0] == 'masks/b_9.png'


def test_several_inputs_get_folders_of_their_names(tmp_path):
    for name in ('one', 'two'):
        (tmp_path / name).mkdir()
        Image.fromarray(video(1)[0]).save(tmp_path / name / '0.png')
    inferencer = SlotInferencer(config())
    paths = [tmp_path / 'one', tmp_path / 'two']
    results = inferencer(paths, out_dir=tmp_path / 'out', return_vis=True)
    assert [p.video_id for p in results['predictions']] == ['one', 'two']
    assert [v.shape for v in results['visualization']] == [(1, 20, 31, 3)] * 2
    for name in ('one', 'two'):
        assert (tmp_path / 'out' / name / 'masks' / '0.png').is_file()
    with pytest.raises(ValueError, match="two inputs are named 'one'"):
        inferencer([paths[0], paths[0]], out_dir=tmp_path / 'new')
    assert not (tmp_path / 'new').exists()


def test_a_bad_frame_ends_the_run_and_leaves_nothing(tmp_path):
    for index, frame in enumerate(video(5)):
        Image.fromarray(frame).save(tmp_path / f'{index}.jpg')
    bad = tmp_path / '3.jpg'
    bad.write_bytes(bad.read_bytes()[:300])
    inferencer = SlotInferencer(config())
    with pytest.raises(ValueError, match='3.jpg cannot be read'):
        inferencer(tmp_path, 2, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_a_full_folder_is_refused_before_anything_is_read(tmp_path):
    (tmp_path / 'mine.txt').write_text('x')
    inferencer = SlotInferencer(config())
    inferencer.segment = None
    with pytest.raises(ValueError, match='mine.txt'):
        inferencer(video(1), out_dir=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ['mine.txt']


@pytest.mark.parametrize(
    ('pipeline', 'text'),
    [
        ([dict(type='ResizeVideo', sizes=3)], 'test_pipeline: .*sizes'),
        ([dict(type='Resized')], 'test_pipeline: Resized'),
        ([dict(type='ResizeVideo')], 'test_pipeline: .*size'),
    ],
)
def test_a_bad_pipeline_is_named(pipeline, text):
    with pytest.raises(ValueError, match=text):
        SlotInferencer(config(pipeline))


def test_a_missing_pipeline_is_named():
    cfg = config()
    cfg.pop('test_pipeline')
    with pytest.raises(ValueError, match='test_pipeline is missing'):
        SlotInferencer(cfg)
    cfg = config()
    cfg.test_pipeline = cfg.test_pipeline[:-1]
    inferencer = SlotInferencer(cfg)
    with pytest.raises(ValueError, match='must end with PackVideoInputs'):
        inferencer(video(1))


def test_frames_of_a_size_the_model_cannot_take_are_refused():
    inferencer = SlotInferencer(config([dict(type='ResizeVideo', size=32)]))
    with pytest.raises(ValueError, match=r'\(4, 6\).*\(8, 8\)'):
        inferencer(video(1))


@pytest.mark.parametrize(
    ('options', 'text'),
    [(dict(frame_rate=0), 'frame_rate'), (dict(device='moon'), 'moon')],
)
def test_bad_options_are_named(options, text):
    with pytest.raises(ValueError, match=text):
        SlotInferencer(config(), **options)
    with pytest.raises(ValueError, match='batch_size .* got 0'):
        SlotInferencer(config())(video(1), 0)


def test_it_is_an_inferencer_of_mmengine(tmp_path):
    path = tmp_path / 'config.py'
    config().dump(path)
    inferencer = INFERENCERS.build(
        dict(type='SlotInferencer', config=str(path), show_progress=True)
    )
    assert isinstance(inferencer, BaseInferencer)
    results = inferencer(video(2))
    assert list(results) == ['predictions', 'visualization']
    assert results['visualization'] == [None]


def test_davis_sequence(shared, tmp_path):
    root = shared / 'data' / 'davis_mini' / 'JPEGImages' / '480p'
    source = tmp_path / 'camel'
    source.mkdir()
    for path in sorted((root / 'camel').iterdir())[:5]:
        Path(source / path.name).symlink_to(path)
    inferencer = SlotInferencer(config(CROP, predict_from='attn'))
    results = inferencer(source, 2, tmp_path / 'out')
    masks = masks_of(results)
    assert masks.shape == (5, 480, 854)
    assert set(np.unique(masks)) <= {0, 1, 2, 3, 255}
    # 16:9 frames, centre square seen
    (sample,) = results['predictions']
    assert sample.unseen_share == pytest.approx(1 - 480 / 854, abs=0.01)
    names = sorted(path.name for path in (tmp_path / 'out/masks').iterdir())
    assert names == [f'{index:05d}.png' for index in range(5)]
