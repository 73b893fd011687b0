"""Checkpoints that a crash cannot damage."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook

from slotkd.atomic_file import write_atomically
from slotkd.registry import HOOKS

BACKEND = 'atomic'


class AtomicBackend(LocalBackend):
    """Local files, written by :func:`write_atomically`."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes to a file."""
        write_atomically(bytes(obj), filepath)

    def put_text(
        self, obj: str, filepath: str | Path, encoding: str = 'utf-8'
    ) -> None:
        """Write text to a file."""
        write_atomically(obj.encode(encoding), filepath)


register_backend(BACKEND, AtomicBackend, force=True)


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """Save local checkpoints atomically; remove old ones afterwards.

    mmengine opens the final file and removes the checkpoint to be replaced
    before it writes: a crash in between leaves nothing to resume from.

    Args:
        interval: Iterations (or epochs) between checkpoints.
        by_epoch: Count epochs.
        max_keep_ckpts: Keep the newest so many; -1 keeps all.
        save_last: Also save at the end of training.
        save_best: Metric or metrics whose best checkpoint is kept.
        rule: ``'greater'`` or ``'less'`` for each of ``save_best``.
        save_optimizer: Save the optimiser's state, which resuming needs.
        save_param_scheduler: Save the schedulers' state.
        out_dir: Folder for checkpoints; the work directory if None.
    """

    def __init__(
        self,
        interval: int,
        by_epoch: bool = False,
        *,
        max_keep_ckpts: int = -1,
        save_last: bool = True,
        save_best: str | list[str] | None = None,
        rule: str | list[str] | None = None,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        out_dir: str | None = None,
    ) -> None:
        super().__init__(
            interval,
            by_epoch,
            max_keep_ckpts=max_keep_ckpts,
            save_last=save_last,
            save_best=save_best,
            rule=rule,
            save_optimizer=save_optimizer,
            save_param_scheduler=save_param_scheduler,
            out_dir=out_dir,
            backend_args={'backend': BACKEND},
        )
        self.keep_ckpt_ids: deque[int] = deque()

    def _save_checkpoint_with_step(
        self, runner: Any, step: int, meta: dict
    ) -> None:
        """Save, point ``last_checkpoint`` at it, then remove the outdated."""
        name = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        ids = [i for i in self.keep_ckpt_ids if i != step] + [step]
        keep = self.max_keep_ckpts if self.max_keep_ckpts > 0 else len(ids)
        self.keep_ckpt_ids = deque(ids[-keep:])
        hub = runner.message_hub
        hub.update_info('last_ckpt', self.last_ckpt)
        hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        runner.save_checkpoint(
            self.out_dir,
            name,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
        )
        if is_main_process():
            pointer = Path(runner.work_dir) / 'last_checkpoint'
            write_atomically(str(self.last_ckpt).encode(), pointer)
            for old in ids[:-keep]:
                self._remove(self.filename_tmpl.format(old))

    def _save_best_checkpoint(self, runner: Any, metrics: dict) -> None:
        """Save the best checkpoint before removing the one it replaces."""
        if not self.save_best:
            return
        with self._removal_after_writing():
            super()._save_best_checkpoint(runner, metrics)

    @contextmanager
    def _removal_after_writing(self) -> Iterator[None]:
        backend = self.file_backend
        removed: list[str] = []
        backend.remove = removed.append
        try:
            yield
        finally:
            del backend.remove
        best = getattr(self, 'best_ckpt_path', None)
        bests = getattr(self, 'best_ckpt_path_dict', {}).values()
        for path in set(removed) - {best, *bests}:
            self.file_backend.remove(path)

    def _remove(self, name: str) -> None:
        path = self.file_backend.join_path(self.out_dir, name)
        if self.file_backend.isfile(path):
            self.file_backend.remove(path)
