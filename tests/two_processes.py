"""Trains a toy config in two processes of one machine."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from mmengine.config import Config


def train_in_two_processes(cfg: Config, repo: Path, folder: Path) -> str:
    """Train for three iterations and return what was printed.

    Args:
        cfg: A toy config; it is changed.
        repo: Root of the repository.
        folder: Where the config and the run go.
    """
    cfg.model_wrapper_cfg = dict(
        type='MMDistributedDataParallel',
        device_ids=None,
        find_unused_parameters=True,
    )
    cfg.train_cfg.max_iters = 3
    cfg.env_cfg.dist_cfg.backend = 'gloo'
    cfg.log_level = 'INFO'
    cfg.default_hooks.logger.interval = 1
    cfg.dump(folder / 'two.py')
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    done = subprocess.run(
        [
            *(sys.executable, '-m', 'torch.distributed.run'),
            *('--nproc_per_node=2', f'--master_port={port}'),
            *('tools/train.py', str(folder / 'two.py')),
            *('--launcher', 'pytorch', '--work-dir', str(folder / 'two')),
        ],
        cwd=repo,
        env=os.environ | {'CUDA_VISIBLE_DEVICES': ''},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (folder / 'two' / 'iter_3.pth').is_file()
    return done.stdout + done.stderr
