"""slotkd's own train.py and test.py on configs made of mmseg's parts."""

import json
from pathlib import Path

import pytest
from mmengine.config import Config

from tests import tiny, toy_frames, toy_run
from tests.scripts import run_here

TOOLS = Path(__file__).resolve().parents[2] / 'tools'
NORM = dict(type='BN')
LOAD = [dict(type='LoadImageFromFile'), dict(type='mmseg.LoadAnnotations')]
MOBILENET = dict(
    type='mmseg.MobileNetV2',
    widen_factor=0.25,
    out_indices=(1, 2),
    norm_cfg=NORM,
)


@pytest.fixture
def frames(tmp_path):
    """Write two videos of labelled frames."""
    toy_frames.write_frames(tmp_path / 'data', {'a': 3, 'b': 3})
    return tmp_path / 'data'


def loader(dataset: dict, batch_size: int, shuffle: bool) -> dict:
    return dict(
        batch_size=batch_size,
        num_workers=0,
        sampler=dict(
            type='InfiniteSampler' if shuffle else 'DefaultSampler',
            shuffle=shuffle,
        ),
        dataset=dataset,
    )


def segmentor_config(frames: Path) -> Config:
    """Return mmseg's segmentor, data, metric and drawing in slotkd's scope."""
    crop = [
        dict(type='mmseg.RandomCrop', crop_size=(32, 32)),
        dict(type='RandomFlip', prob=0.5),
        dict(type='mmseg.PhotoMetricDistortion'),
    ]
    pack = [dict(type='mmseg.PackSegInputs')]
    test_data = toy_frames.dataset(frames, pipeline=LOAD + pack)
    model = dict(
        type='EncoderDecoder',
        _scope_='mmseg',
        data_preprocessor=dict(
            type='SegDataPreProcessor',
            mean=[127.5] * 3,
            std=[127.5] * 3,
            size=(32, 32),
        ),
        backbone=dict(MOBILENET, type='MobileNetV2'),
        decode_head=dict(
            type='FCNHead',
            in_channels=8,
            in_index=0,
            channels=8,
            num_convs=1,
            num_classes=3,
            norm_cfg=NORM,
            loss_decode=dict(type='CrossEntropyLoss'),
        ),
        train_cfg=dict(),
        test_cfg=dict(mode='whole'),
    )
    cfg = toy_run.config(
        model=model,
        train_dataloader=loader(
            toy_frames.dataset(frames, pipeline=LOAD + crop + pack), 2, True
        ),
        val_dataloader=loader(test_data, 1, False),
        test_dataloader=loader(test_data, 1, False),
        val_evaluator=dict(type='mmseg.IoUMetric', iou_metrics=['mIoU']),
        test_evaluator=dict(type='mmseg.IoUMetric', iou_metrics=['mIoU']),
        test_pipeline=LOAD + pack,
        visualizer=dict(
            type='mmseg.SegLocalVisualizer',
            vis_backends=[dict(type='LocalVisBackend')],
        ),
    )
    cfg.default_hooks.visualization = dict(type='mmseg.SegVisualizationHook')
    cfg.train_cfg.max_iters = 2
    return cfg


def test_segmentor_of_mmseg_trains_and_tests(frames, tmp_path, monkeypatch):
    config = toy_run.dump(segmentor_config(frames), tmp_path / 'seg.py')
    run_here(monkeypatch, TOOLS / 'train.py', config, cwd=tmp_path)
    run_here(
        monkeypatch,
        TOOLS / 'test.py',
        *(config, 'work_dirs/seg/iter_2.pth', '--out', 'metrics.json'),
        *('--show-dir', 'show'),
        cwd=tmp_path,
    )
    metrics = json.loads((tmp_path / 'metrics.json').read_text())
    assert set(metrics) == {'aAcc', 'mIoU', 'mAcc'}
    assert all(0 <= value <= 100 for value in metrics.values())
    # mmseg names a drawing by the frame's file, whatever its folder.
    assert len(list((tmp_path / 'show').rglob('test_*.png'))) == 3


def test_show_dir_needs_a_hook_that_draws(frames, tmp_path, monkeypatch):
    cfg = segmentor_config(frames)
    cfg.default_hooks.visualization = dict(type='IterTimerHook')
    config = toy_run.dump(cfg, tmp_path / 'seg.py')
    (tmp_path / 'x.pth').touch()
    with pytest.raises(SystemExit) as caught:
        run_here(
            monkeypatch,
            TOOLS / 'test.py',
            *(config, 'x.pth', '--show-dir', 'show'),
            cwd=tmp_path,
        )
    assert caught.value.code == 2


def test_slot_model_learns_from_clips_of_an_mmseg_data_set(
    frames, tmp_path, monkeypatch
):
    """On two levels of an mmseg backbone, joined at the finer one's grid."""
    clips = dict(
        type='FrameClipDataset',
        dataset=toy_frames.dataset(frames, pipeline=LOAD),
        pipeline=[
            dict(type='CenterCropVideo', size=32),
            dict(type='PackVideoInputs'),
        ],
    )
    backbone = dict(
        type='ImageBackbone',
        backbone=MOBILENET,
        out_index=(0, 1),
        feat_dim=16,
        allow_random=True,
    )
    model = tiny.slot_model(
        backbone=backbone,
        neck=dict(type='FeatureMLP', feat_dim=16, out_dim=16),
        grid=(8, 8),
        data_preprocessor=dict(type='VideoDataPreprocessor'),
    )
    model['decoder'] |= dict(feat_dim=16)
    cfg = toy_run.config(
        model=model,
        train_dataloader=loader(dict(clips, clip_len=2), 2, True),
        val_dataloader=loader(clips, 1, False),
        test_dataloader=loader(clips, 1, False),
    )
    cfg.train_cfg.max_iters = 2
    config = toy_run.dump(cfg, tmp_path / 'slots.py')
    run_here(monkeypatch, TOOLS / 'train.py', config, cwd=tmp_path)
    run_here(
        monkeypatch,
        TOOLS / 'test.py',
        *(config, 'work_dirs/slots/iter_2.pth', '--out', 'metrics.json'),
        *('--show-dir', 'show'),
        cwd=tmp_path,
    )
    metrics = json.loads((tmp_path / 'metrics.json').read_text())
    assert 0 <= metrics['mbo'] <= 1 and -1 <= metrics['fg_ari'] <= 1
    assert len(list((tmp_path / 'show').glob('*.png'))) == 2
