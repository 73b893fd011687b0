"""Whole runs at toy size: configs on MovingShapes that train in a second."""

from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner

from tests import tiny

GRID = (4, 4)
SIZE = 16


def loader(num_videos: int, batch_size: int, shuffle: bool) -> dict:
    """Return a data loader of tiny moving shapes."""
    return dict(
        batch_size=batch_size,
        num_workers=0,
        # DefaultSampler rests two seconds at the end of an epoch.
        sampler=dict(
            type='InfiniteSampler' if shuffle else 'DefaultSampler',
            shuffle=shuffle,
        ),
        dataset=dict(
            type='MovingShapes',
            num_videos=num_videos,
            num_frames=3,
            size=SIZE,
            pipeline=[dict(type='PackVideoInputs')],
        ),
    )


def config(**changes) -> Config:
    """Return the complete config of a toy slot model.

    Args:
        changes: Top-level keys to replace.
    """
    test_loader = loader(3, 1, shuffle=False)
    evaluator = dict(type='ObjectDiscoveryMetric')
    parts = dict(
        default_scope='slotkd',
        model=tiny.slot_model(
            grid=GRID, data_preprocessor=dict(type='VideoDataPreprocessor')
        ),
        train_dataloader=loader(16, 4, shuffle=True),
        val_dataloader=test_loader,
        test_dataloader=test_loader,
        val_evaluator=evaluator,
        test_evaluator=evaluator,
        test_pipeline=[dict(type='PackVideoInputs')],
        optim_wrapper=dict(
            constructor='SlotKDOptimWrapperConstructor',
            optimizer=dict(type='Adam', lr=0.01),
            clip_grad=dict(max_norm=0.05, error_if_nonfinite=True),
        ),
        param_scheduler=dict(
            type='WarmupDecayLR',
            warmup=3,
            decay_end=20,
            by_epoch=False,
            end=10**9,
        ),
        train_cfg=dict(
            type='IterBasedTrainLoop', max_iters=8, val_interval=100
        ),
        val_cfg=dict(type='ValLoop'),
        test_cfg=dict(type='TestLoop'),
        default_hooks=dict(
            logger=dict(type='LoggerHook', interval=1),
            checkpoint=dict(type='AtomicCheckpointHook', interval=100),
            strict_load=dict(type='StrictLoadHook'),
        ),
        log_processor=dict(by_epoch=False, window_size=1),
        randomness=dict(seed=1, deterministic=True),
    )
    return Config(parts | changes)


def distiller(teacher_checkpoint: str, **changes) -> dict:
    """Return the config of a distiller from a wider toy teacher."""
    model = dict(
        type='Distiller',
        student=tiny.slot_model(grid=GRID),
        teacher=teacher(),
        teacher_checkpoint=teacher_checkpoint,
        distill_losses=dict(
            slot_match=dict(
                type='SlotMatchLoss', student_dim=16, teacher_dim=24, ramp=4
            )
        ),
        data_preprocessor=dict(type='VideoDataPreprocessor'),
    )
    return model | changes


def teacher() -> dict:
    """Return the config of the teacher of :func:`distiller`."""
    return tiny.slot_model(slot_dim=24, grid=GRID, losses={})


def dump(cfg: Config, path: Path) -> Path:
    """Write a config to a file and return its path."""
    cfg.dump(path)
    return path


def runner(cfg: Config, work_dir: Path) -> Runner:
    """Return a runner of its own name, quiet and without a side effect."""
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = work_dir.name
    cfg.log_level = 'ERROR'
    return Runner.from_cfg(cfg)
