"""Read the tensors of checkpoint files without running code from them."""

import hashlib
import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlparse

import torch
from mmengine.runner.checkpoint import get_external_models
from torch import Tensor

from slotkd.models.backbones import inert_pickle

# Where the tensors lie in the files of Lightning, mmengine and others.
_CONTAINERS = ('state_dict', 'model', 'state_dict_ema')


class UnsafeCheckpointError(ValueError):
    """A file that holds more than tensors and plain Python values."""


def read_checkpoint(source: str | Path, *, trust: bool = False) -> dict:
    """Read a ``.pth``, ``.bin``, ``.ckpt`` or ``.safetensors`` file.

    Nothing that the file names is ever imported or called. A file with other
    objects than tensors and plain values is refused; with ``trust`` it is
    read, each foreign object being replaced by an inert placeholder.

    Args:
        source: Local path, http(s) URL or ``open-mmlab://`` name; a download
            is kept in torch's hub folder.
        trust: Read files with foreign objects too.

    Returns:
        The mapping in the file, with all tensors on the CPU.

    Raises:
        FileNotFoundError: If there is no such file.
        UnsafeCheckpointError: If the file needs unpickling.
        ValueError: If the file is not a readable checkpoint.
    """
    path = local_file(str(source))
    if path.suffix == '.safetensors':
        return _read_safetensors(path)
    try:
        content = _read_torch(path, trust=trust)
    except UnsafeCheckpointError:
        raise
    except Exception as error:
        raise ValueError(
            f'{path}: not a readable checkpoint '
            f'({type(error).__name__}: {_first_line(error)})'
        ) from error
    if not isinstance(content, Mapping):
        raise ValueError(
            f'{path}: holds a {type(content).__name__}, expected a mapping'
        )
    return dict(content)


def find_tensors(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the weights of a checkpoint by their names.

    Looks under ``state_dict`` or ``model`` where the tensors do not lie at
    the top.

    Raises:
        ValueError: If an entry is no tensor, or there is none.
    """
    for name in _CONTAINERS:
        if isinstance(checkpoint.get(name), Mapping):
            checkpoint = checkpoint[name]
            break
    if not checkpoint:
        raise ValueError('the checkpoint holds no weights')
    others = [k for k, v in checkpoint.items() if not isinstance(v, Tensor)]
    if others:
        raise ValueError(
            f'expected weights only, got other entries: {_listing(others)}'
        )
    return dict(checkpoint)


def check_weights(
    expected: Mapping[str, Tensor],
    weights: Mapping[str, Tensor],
    *,
    optional: frozenset[str] = frozenset(),
    source: str = 'checkpoint',
) -> None:
    """Compare the names and shapes of two sets of weights.

    Args:
        expected: The state of the module that the weights are for.
        weights: The weights.
        optional: Names that may be missing.
        source: Name of the weights for the message.

    Raises:
        ValueError: Lists all missing, unknown and misshapen entries.
    """
    problems = {
        'missing': expected.keys() - weights.keys() - optional,
        'unknown': weights.keys() - expected.keys(),
        'wrong shape': {
            f'{k} {tuple(weights[k].shape)} for {tuple(expected[k].shape)}'
            for k in expected.keys() & weights.keys()
            if weights[k].shape != expected[k].shape
        },
    }
    lists = [f'{k}: {_listing(v)}' for k, v in problems.items() if v]
    if lists:
        raise ValueError(f'{source} does not fit; {"; ".join(lists)}')


def local_file(source: str) -> Path:
    """Return the path of a checkpoint, downloaded first where it is a URL.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the scheme of a URL is not supported, or it cannot be
            fetched.
    """
    if source.startswith(('open-mmlab://', 'openmmlab://')):
        name = source.split('://')[1]
        source = get_external_models().get(name, source)
    scheme = urlparse(source).scheme if '://' in source else ''
    if scheme in ('http', 'https'):
        return _downloaded(source)
    if scheme:
        raise ValueError(f'{source}: scheme {scheme!r} is not supported')
    path = Path(source).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'no checkpoint at {source}')
    return path


def _downloaded(url: str) -> Path:
    # Many publishers call every file model.safetensors: the URL is the name.
    digest = hashlib.sha256(url.encode()).hexdigest()[:12]
    name = f'{digest}-{Path(urlparse(url).path).name}'
    path = Path(torch.hub.get_dir(), 'checkpoints', name)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path), progress=False)
        except URLError as error:
            raise ValueError(f'{url}: cannot be fetched ({error})') from error
    return path


def _read_torch(path: Path, *, trust: bool) -> Any:
    try:
        with warnings.catch_warnings():
            # Of an unusual pickle protocol; what comes of it is told below.
            warnings.simplefilter('ignore', UserWarning)
            return torch.load(path, map_location='cpu', weights_only=True)
    except pickle.UnpicklingError as error:
        # Fails on a file that is no checkpoint at all.
        content = torch.load(
            path,
            map_location='cpu',
            weights_only=False,
            pickle_module=inert_pickle,
        )
        if trust:
            return content
        name = re.search(r'GLOBAL ([\w.]+)', str(error))
        what = name.group(1) if name else 'objects other than tensors'
        raise UnsafeCheckpointError(
            f'{path}: needs unpickling of {what}; refused, because that '
            'could run code from the file'
        ) from error


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise ImportError(
            f'{path} needs safetensors: pip install safetensors'
        ) from error
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(
            f'{path}: not a readable checkpoint ({_first_line(error)})'
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [''])[0]


def _listing(names: Any) -> str:
    ordered = sorted(map(str, names))
    rest = f' and {len(ordered) - 12} more' if len(ordered) > 12 else ''
    return ', '.join(ordered[:12]) + rest
