"""A crash while a checkpoint is written leaves the one before."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from mmengine.fileio import get_file_backend
from mmengine.logging import MessageHub
from mmengine.runner import find_latest_checkpoint, save_checkpoint

from slotkd.engine import AtomicCheckpointHook


class Trainer(SimpleNamespace):
    """What a checkpoint hook asks of a runner."""

    def save_checkpoint(self, out_dir, filename, backend_args, **options):
        if self.crash:
            raise OSError('disk full')
        path = os.path.join(out_dir, filename)
        save_checkpoint(
            {'iter': torch.tensor(self.iter)}, path, backend_args=backend_args
        )


@pytest.fixture
def trainer(tmp_path):
    return Trainer(
        work_dir=str(tmp_path),
        iter=0,
        epoch=0,
        crash=False,
        max_iters=100,
        logger=SimpleNamespace(info=lambda text: None),
        message_hub=MessageHub.get_instance('atomic'),
    )


def started(trainer, **options) -> AtomicCheckpointHook:
    hook = AtomicCheckpointHook(2, **options)
    hook.before_train(trainer)
    return hook


def save_at(hook, trainer, iteration: int) -> None:
    trainer.iter = iteration - 1
    hook.after_train_iter(trainer, 0)
    trainer.iter = iteration


def files(tmp_path) -> list[str]:
    return sorted(p.name for p in tmp_path.glob('*.pth*'))


def test_killed_process_keeps_the_old_file(tmp_path):
    path = tmp_path / 'iter_2.pth'
    torch.save({'iter': 2}, path)
    code = (
        'import os, sys, torch, slotkd.engine\n'
        'from mmengine.runner import save_checkpoint\n'
        'os.fsync = lambda descriptor: os._exit(9)\n'
        "save_checkpoint({'iter': torch.zeros(999)}, sys.argv[1],\n"
        "                backend_args={'backend': 'atomic'})\n"
    )
    done = subprocess.run([sys.executable, '-c', code, str(path)], timeout=120)
    assert done.returncode == 9
    assert torch.load(path) == {'iter': 2}


def test_backend_is_registered_and_writes_text(tmp_path):
    backend = get_file_backend(backend_args={'backend': 'atomic'})
    backend.put_text('ä', tmp_path / 'x.txt')
    assert (tmp_path / 'x.txt').read_text(encoding='utf-8') == 'ä'


def test_keeps_the_newest_and_points_to_it(trainer, tmp_path):
    hook = started(trainer, max_keep_ckpts=2)
    for iteration in (2, 4, 6):
        save_at(hook, trainer, iteration)
    assert files(tmp_path) == ['iter_4.pth', 'iter_6.pth']
    assert find_latest_checkpoint(tmp_path).endswith('iter_6.pth')
    assert torch.load(tmp_path / 'iter_6.pth')['iter'] == 5
    assert trainer.message_hub.get_info('keep_ckpt_ids') == [4, 6]


def test_keeps_all_by_default(trainer, tmp_path):
    hook = started(trainer)
    for iteration in (2, 3, 4):
        save_at(hook, trainer, iteration)
    assert files(tmp_path) == ['iter_2.pth', 'iter_4.pth']


def test_crash_keeps_the_only_checkpoint(trainer, tmp_path):
    hook = started(trainer, max_keep_ckpts=1)
    save_at(hook, trainer, 2)
    trainer.crash = True
    with pytest.raises(OSError, match='disk full'):
        save_at(hook, trainer, 4)
    assert files(tmp_path) == ['iter_2.pth']
    assert find_latest_checkpoint(tmp_path).endswith('iter_2.pth')


def test_best_is_removed_after_the_better_one_is_written(trainer, tmp_path):
    hook = started(trainer, save_best='fg_ari', rule='greater')
    trainer.iter = 1
    hook.after_val_epoch(trainer, {'fg_ari': 0.5})
    trainer.iter = 2
    trainer.crash = True
    with pytest.raises(OSError, match='disk full'):
        hook.after_val_epoch(trainer, {'fg_ari': 0.6})
    assert files(tmp_path) == ['best_fg_ari_iter_1.pth']
    trainer.crash = False
    trainer.iter = 3
    hook.after_val_epoch(trainer, {'fg_ari': 0.7})
    assert 'best_fg_ari_iter_3.pth' in files(tmp_path)


def test_best_of_two_metrics(trainer, tmp_path):
    names = ['fg_ari', 'mbo']
    hook = started(trainer, save_best=names, rule='greater')
    for iteration, scores in ((1, (0.5, 0.5)), (2, (0.6, 0.4))):
        trainer.iter = iteration
        hook.after_val_epoch(trainer, dict(zip(names, scores, strict=True)))
    assert files(tmp_path) == [
        'best_fg_ari_iter_2.pth',
        'best_mbo_iter_1.pth',
    ]


def test_resume_goes_on_removing(trainer, tmp_path):
    hook = started(trainer, max_keep_ckpts=1)
    save_at(hook, trainer, 2)
    resumed = started(trainer, max_keep_ckpts=1)
    save_at(resumed, trainer, 4)
    assert files(tmp_path) == ['iter_4.pth']


def test_validation_without_training_saves_nothing(trainer, tmp_path):
    hook = AtomicCheckpointHook(2)
    hook.after_val_epoch(trainer, {'fg_ari': 0.5})
    assert files(tmp_path) == []
