"""What the command-line tools share: configs, exit codes, set-up."""

import argparse
import gc
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import torch
from mmengine.config import Config, DictAction
from mmengine.logging import MessageHub
from mmengine.runner import Runner

from slotkd.engine.config_check import ConfigError, check_config
from slotkd.engine.option_check import check_options

FAILED, WRONG_INPUT = 1, 2
LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')
INPUT_ERRORS = (
    ValueError,
    FileNotFoundError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
)
# What torch says where ``clip_grad`` has ``error_if_nonfinite``.
NOT_FINITE = 'for gradients from `parameters` is non-finite'


class OneLineParser(argparse.ArgumentParser):
    """An argument parser whose complaints take one line."""

    def error(self, message: str) -> NoReturn:
        """Leave with the code of wrong input."""
        sys.stderr.write(f'error: {message} (see {self.prog} --help)\n')
        sys.exit(WRONG_INPUT)


def run_parser(description: str | None) -> OneLineParser:
    """Return a parser of the arguments that train.py and test.py share."""
    parser = OneLineParser(description=description)
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--work-dir', help='where logs and checkpoints go (work_dirs/CONFIG)'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='K=V',
        help='replace values of the config, as in a.b=1 list.0.key=2',
    )
    parser.add_argument('--launcher', choices=LAUNCHERS, default='none')
    # torch.distributed.launch passes it; torchrun sets the environment.
    parser.add_argument(
        '--local_rank', '--local-rank', type=int, help=argparse.SUPPRESS
    )
    return parser


def run_config(args: argparse.Namespace) -> Config:
    """Read the config of a run with the arguments of :func:`run_parser`."""
    cfg = load_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    if args.local_rank is not None:
        os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / Path(args.config).stem)
    return cfg


def run_command(main: Callable[[], None]) -> None:
    """Run a tool and leave the process with its exit code.

    0: done. 2: the input was wrong, which is what a ``ValueError`` and
    missing files say. 1: the run failed; a loss or gradients that are not
    finite say so in one line, anything else is a defect and keeps its
    traceback. ``SLOTKD_TRACEBACK=1`` in the environment keeps every one.

    Args:
        main: The tool's work.
    """
    try:
        main()
    except FloatingPointError as error:
        _leave(error, FAILED)
    except INPUT_ERRORS as error:
        _leave(error, WRONG_INPUT)
    except RuntimeError as error:
        if NOT_FINITE not in str(error):
            raise
        step = MessageHub.get_current_instance().get_info('iter', 0)
        told = f'gradients are not finite at iteration {step}; '
        told += 'the weights were left as they were'
        _leave(FloatingPointError(told), FAILED)
    # Threads of gloo that a wrapped model still owns at exit may abort it.
    if torch.distributed.is_initialized():
        gc.collect()
        torch.distributed.destroy_process_group()


def one_line(error: Exception) -> str:
    """Return what an error says on one line.

    Errors of loader processes carry a whole traceback as their text; its
    last line is the message.
    """
    text = str(error.args[0] if isinstance(error, KeyError) else error)
    if 'Original Traceback' in text:
        text = re.sub(r'^[\w.]+: ', '', text.strip().splitlines()[-1])
    return ' '.join(text.split()) or type(error).__name__


def _leave(error: Exception, code: int) -> NoReturn:
    if os.environ.get('SLOTKD_TRACEBACK') == '1':
        raise error
    sys.stderr.write(f'error: {one_line(error)}\n')
    sys.exit(code)


def load_config(path: str, options: dict[str, Any] | None = None) -> Config:
    """Read a config and merge the options of the command line.

    Args:
        path: Config file.
        options: Dotted key to value.

    Raises:
        FileNotFoundError: If there is no such file.
        ConfigError: If it cannot be read or an option fits nothing.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'config {path} does not exist')
    # A config is a program: it may raise anything.
    try:
        cfg = Config.fromfile(path)
    except Exception as error:
        name = type(error).__name__
        raise ConfigError(f'{path}: {name}: {one_line(error)}') from error
    check_options(cfg, options or {})
    try:
        cfg.merge_from_dict(options or {})
    except (KeyError, TypeError, IndexError) as error:
        raise ConfigError(
            f'--cfg-options: {path}: {one_line(error)}'
        ) from error
    return cfg


def build_runner(cfg: Config, required: tuple[str, ...]) -> Runner:
    """Check a config and build its runner.

    Args:
        cfg: Complete config.
        required: Top-level keys the command needs.

    Raises:
        ConfigError: If the config is wrong; names the file and the key.
    """
    check_config(cfg, required)
    start_cpu_processes(cfg)
    try:
        return Runner.from_cfg(cfg)
    except (AssertionError, KeyError, TypeError) as error:
        raise ConfigError(f'{cfg.filename}: {one_line(error)}') from error


def start_cpu_processes(cfg: Config) -> None:
    """Prepare distributed training without an accelerator.

    mmengine would select a CUDA device for each process, and hand one to
    the model wrapper.
    """
    if cfg.get('launcher') != 'pytorch' or torch.cuda.is_available():
        return
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group('gloo')
    if cfg.get('model_wrapper_cfg') is None:
        cfg.model_wrapper_cfg = {
            'type': 'MMDistributedDataParallel',
            'device_ids': None,
            'broadcast_buffers': False,
            'find_unused_parameters': cfg.get('find_unused_parameters', False),
        }


def require_file(path: str | Path, what: str) -> None:
    """Stop where a local file is missing; addresses pass.

    Raises:
        FileNotFoundError: Names what is missing and where.
    """
    if '://' not in str(path) and not Path(path).expanduser().is_file():
        raise FileNotFoundError(f'{what} {path} does not exist')


def require_writable(path: str | Path) -> None:
    """Stop where a file cannot be written, before long work for it.

    Folders that are missing will be made.

    Raises:
        IsADirectoryError: If it is a folder.
        NotADirectoryError: If a folder of its path is a file.
        PermissionError: If its folder does not allow it.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f'{path} is a folder, expected a file name')
    folder = path.absolute().parent
    while not os.path.lexists(folder):
        folder = folder.parent
    if not folder.is_dir():
        raise NotADirectoryError(f'{path}: {folder} is not a folder')
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f'{path}: {folder} is not writable')
