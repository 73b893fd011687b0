"""Given objects are followed at the size of the input, file for file."""

import json

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from slotkd.apis import VosInferencer
from slotkd.engine import encode_label_png, voc_palette
from slotkd.models.video import VosTracker
from tests import tiny, tiny_vos

SIZE = (40, 60)


def config(*steps, **changes):
    return Config(
        dict(
            default_scope='slotkd',
            model=tiny_vos.vos_config(
                data_preprocessor=dict(type='VideoDataPreprocessor'),
                **changes,
            ),
            test_pipeline=[*steps, dict(type='PackVideoInputs')],
        )
    )


def inferencer(*steps, **changes):
    torch.manual_seed(0)
    return VosInferencer(config(*steps, **changes))


def video(length=4, size=SIZE):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (length, *size, 3)).astype(np.uint8)


def mask(*labels, size=SIZE):
    labels_map = np.zeros(size, np.uint8)
    width = size[1] // max(len(labels), 1)
    for index, label in enumerate(labels):
        left = index * width
        labels_map[5:30, left + 2 : left + width - 2] = label
    return labels_map


def masks_of(results):
    (sample,) = results['predictions']
    return sample.pred_masks.numpy()


def write_frames(folder, frames):
    folder.mkdir(parents=True)
    for index, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f'{index:05d}.png')


def test_equals_the_engine():
    made = inferencer()
    got = masks_of(made(video(), mask(1, 4)))
    assert got.shape == (4, *SIZE)
    np.testing.assert_array_equal(got[0], mask(1, 4))
    data = made.model.data_preprocessor(
        dict(inputs=[torch.from_numpy(video()).permute(0, 3, 1, 2)])
    )
    tracker = VosTracker(made.model)
    for t, image in enumerate(data['inputs'][0]):
        given = torch.from_numpy(mask(1, 4)).long() if t == 0 else None
        expected = tracker.step(image, given).labels.numpy()
        np.testing.assert_array_equal(got[t], expected)


def test_masks_have_the_size_of_the_input():
    made = inferencer(dict(type='ResizeVideo', short_side=33))
    got = masks_of(made(video(), mask(9)))
    np.testing.assert_array_equal(got[0], mask(9))
    assert set(np.unique(got)) <= {0, 9}


def test_pixels_cropped_away_are_unseen():
    made = inferencer(dict(type='CenterCropVideo', size=(40, 40)))
    got = masks_of(made(video(), mask(1)))
    assert (got[1:, :, :10] == 255).all() and (got[1:, :, -10:] == 255).all()
    assert (got[1:, :, 10:-10] != 255).all()


def test_results_have_the_layout_of_davis(tmp_path):
    for name in ('bear', 'bus'):
        write_frames(tmp_path / 'in' / name, video())
    made = inferencer()
    results = made(
        [tmp_path / 'in' / 'bear', tmp_path / 'in' / 'bus'],
        [mask(1), mask(3, 5)],
        tmp_path / 'out',
    )
    for sample, name in zip(
        results['predictions'], ('bear', 'bus'), strict=True
    ):
        folder = tmp_path / 'out' / name
        files = [f'{t:05d}.png' for t in range(4)]
        assert sorted(p.name for p in folder.iterdir()) == [
            *files,
            'overlay.mp4',
            'summary.json',
        ]
        for t, file in enumerate(files):
            with Image.open(folder / file) as image:
                assert image.mode == 'P'
                palette = np.array(image.getpalette()).reshape(-1, 3)
                assert (palette == voc_palette()[: len(palette)]).all()
                np.testing.assert_array_equal(
                    np.array(image), sample.pred_masks[t]
                )
    summary = json.loads((tmp_path / 'out/bus/summary.json').read_text())
    assert summary['objects'] == [3, 5]
    assert summary['masks'] == files
    assert summary['frames'] == 4 and summary['given'] == 'array'
    assert summary['frames_per_s'] > 0
    assert sum(summary['pixel_share'].values()) <= 1


def test_objects_may_appear_later(tmp_path):
    write_frames(tmp_path / 'in', video())
    (tmp_path / 'masks').mkdir()
    late = mask(1, 2)
    late[35:40, 20:40] = 8
    for name, labels in (('00000', mask(1, 2)), ('00002', late)):
        path = tmp_path / 'masks' / f'{name}.png'
        path.write_bytes(encode_label_png(labels))
    made = inferencer()
    results = made(tmp_path / 'in', tmp_path / 'masks')
    got = masks_of(results)
    assert 8 not in got[:2]
    np.testing.assert_array_equal(got[2] == 8, late == 8)
    assert results['predictions'][0].objects == [1, 2, 8]
    # Of the others, nothing of the second mask is read.
    other = np.where(late == 8, late, 0)
    (tmp_path / 'masks' / '00002.png').write_bytes(encode_label_png(other))
    again = masks_of(made(tmp_path / 'in', tmp_path / 'masks'))
    np.testing.assert_array_equal(again, got)


def test_more_objects_than_the_bank_holds():
    made = inferencer(num_objects=2)
    got = masks_of(made(video(), mask(1, 2, 3, 4, 5)))
    np.testing.assert_array_equal(got[0], mask(1, 2, 3, 4, 5))


def test_drawings_leave_the_background_alone():
    made = inferencer()
    results = made(video(), mask(1), return_vis=True)
    drawn = results['visualization'][0]
    still = masks_of(results) == 0
    np.testing.assert_array_equal(drawn[still], video()[still])
    assert (drawn[~still] != video()[~still]).any()


def test_a_failed_run_leaves_nothing(tmp_path):
    made = inferencer()
    with pytest.raises(ValueError, match='no frame was given an object'):
        made(video(), mask(), tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_a_slot_model_does_not_propagate():
    cfg = config()
    cfg.model = tiny.slot_model(
        data_preprocessor=dict(type='VideoDataPreprocessor')
    )
    with pytest.raises(ValueError, match='SlotVideoModel does not propagate'):
        VosInferencer(cfg)


@pytest.mark.parametrize('masks', [mask(1), [mask(1)]])
def test_every_video_needs_its_masks(masks):
    with pytest.raises(ValueError, match='2 inputs need a list'):
        inferencer()([video(), video()], masks)


def test_frame_rate_is_checked():
    with pytest.raises(ValueError, match='frame_rate must be above 0, got 0'):
        VosInferencer(config(), frame_rate=0)


def test_the_student_of_a_distiller_needs_no_teacher(tmp_path):
    """Its file is gone, and nobody asks for it."""
    student = tiny_vos.vos_model(seed=5)
    weights = {f'student.{k}': v for k, v in student.state_dict().items()}
    torch.save(dict(state_dict=weights), tmp_path / 'run.pth')
    cfg = config()
    cfg.model = dict(
        type='VosDistiller',
        student=tiny_vos.vos_config(),
        teacher=tiny_vos.vos_config(num_layers=2),
        teacher_checkpoint='deleted.pth',
        distill_losses=dict(pseudo_label=dict(type='PseudoLabelLoss')),
        data_preprocessor=dict(type='VideoDataPreprocessor'),
    )
    got = masks_of(VosInferencer(cfg, tmp_path / 'run.pth')(video(), mask(1)))
    alone = inferencer()
    alone.model.load_state_dict(student.state_dict())
    np.testing.assert_array_equal(got, masks_of(alone(video(), mask(1))))
