import builtins
import os
import pickle
import sys
from collections import OrderedDict
from pathlib import Path, PurePosixPath
from urllib.error import HTTPError

import pytest
import torch
from torch import nn

from slotkd.models.backbones import (
    UnsafeCheckpointError,
    find_tensors,
    read_checkpoint,
    weight_files,
)
from slotkd.models.backbones.inert_pickle import Placeholder
from slotkd.models.backbones.weight_files import check_weights

WEIGHTS = {'a': torch.arange(6.0).reshape(2, 3), 'b': torch.ones(2).half()}


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


class Settings(dict):
    """A dictionary type that no reader knows."""


@pytest.mark.parametrize('legacy', [False, True])
def test_plain_files_are_read(tmp_path, legacy):
    path = tmp_path / 'plain.pth'
    torch.save(
        {'state_dict': OrderedDict(WEIGHTS), 'epoch': 3},
        path,
        _use_new_zipfile_serialization=not legacy,
    )
    checkpoint = read_checkpoint(path)
    assert checkpoint['epoch'] == 3
    torch.testing.assert_close(find_tensors(checkpoint), WEIGHTS)


@pytest.mark.parametrize('legacy', [False, True])
@pytest.mark.parametrize('trust', [False, True])
def test_code_in_a_file_never_runs(tmp_path, legacy, trust):
    path, target = tmp_path / 'bomb.pth', tmp_path / 'made-by-the-bomb'
    torch.save(
        {'state_dict': WEIGHTS, 'extra': Bomb(target)},
        path,
        _use_new_zipfile_serialization=not legacy,
    )
    if trust:
        checkpoint = read_checkpoint(path, trust=True)
        torch.testing.assert_close(find_tensors(checkpoint), WEIGHTS)
        assert isinstance(checkpoint['extra'], Placeholder)
    else:
        with pytest.raises(UnsafeCheckpointError, match='needs unpickling'):
            read_checkpoint(path)
    assert not target.exists()
    torch.load(path, weights_only=False)
    assert target.is_dir(), 'the bomb would not have gone off'


def test_trust_reads_around_foreign_objects(tmp_path):
    path = tmp_path / 'foreign.ckpt'
    content = {
        'state_dict': {
            'p': nn.Parameter(torch.ones(2)),
            'i': torch.tensor([3]),
        },
        'settings': Settings(width=4),
        'places': {PurePosixPath('a/b'): {1, 2}},
        'dtype': torch.float16,
        'shape': torch.Size([2, 3]),
        'network': nn.Linear(2, 2),
    }
    torch.save(content, path)
    with pytest.raises(UnsafeCheckpointError) as caught:
        read_checkpoint(path)
    assert '\n' not in str(caught.value)
    checkpoint = read_checkpoint(path, trust=True)
    torch.testing.assert_close(
        find_tensors(checkpoint), content['state_dict'], check_dtype=True
    )
    assert dict(checkpoint['settings']) == {'width': 4}
    assert checkpoint['dtype'] is torch.float16
    assert checkpoint['shape'] == torch.Size([2, 3])
    assert isinstance(checkpoint['network'], Placeholder)
    (place,) = checkpoint['places']
    assert isinstance(place, Placeholder)


def test_attributes_set_by_a_file_do_not_stay(tmp_path):
    class Poison:
        def __reduce_ex__(self, _):
            target = torch._utils._rebuild_tensor_v2
            return setattr, (target, 'poisoned', True)

    path = tmp_path / 'poison.pth'
    torch.save({'state_dict': WEIGHTS, 'x': Poison()}, path)
    read_checkpoint(path, trust=True)
    assert not hasattr(torch._utils._rebuild_tensor_v2, 'poisoned')


def test_foreign_checkpoint_of_lightning_projects(shared):
    path = shared / 'golden/a/slotcontrast_tiny_needs_unpickling.ckpt'
    with pytest.raises(UnsafeCheckpointError, match=path.name):
        read_checkpoint(path)
    before = set(sys.modules)
    tensors = find_tensors(read_checkpoint(path, trust=True))
    new = {name.split('.')[0] for name in set(sys.modules) - before}
    assert not new & {'omegaconf', 'pytorch_lightning'}
    safe = shared / 'golden/a/slotcontrast_tiny_step0.ckpt'
    reference = find_tensors(read_checkpoint(safe))
    assert tensors.keys() == reference.keys()
    for key, value in reference.items():
        torch.testing.assert_close(
            tensors[key].float(), value, atol=2e-3, rtol=1e-3
        )


def test_bad_files_give_one_line(tmp_path):
    def error(path) -> str:
        with pytest.raises((ValueError, FileNotFoundError)) as caught:
            find_tensors(read_checkpoint(path))
        assert '\n' not in str(caught.value)
        return str(caught.value)

    assert 'no checkpoint at' in error(tmp_path / 'absent.pth')
    torch.save(WEIGHTS, tmp_path / 'whole.pth')
    whole = (tmp_path / 'whole.pth').read_bytes()
    for name, content in (
        ('cut.pth', whole[: len(whole) // 2]),
        ('empty.pth', b''),
        ('page.pth', b'<html>404</html>'),
        ('cut.safetensors', b'\x00\x01'),
    ):
        (tmp_path / name).write_bytes(content)
        message = error(tmp_path / name)
        assert name in message
        assert 'not a readable checkpoint' in message
    torch.save([1, 2], tmp_path / 'list.pth')
    assert 'holds a list' in error(tmp_path / 'list.pth')
    torch.save({'model': WEIGHTS | {'lr': 0.1}}, tmp_path / 'mixed.pth')
    assert 'other entries: lr' in error(tmp_path / 'mixed.pth')
    torch.save({}, tmp_path / 'none.pth')
    assert 'no weights' in error(tmp_path / 'none.pth')
    assert "scheme 's3'" in error('s3://bucket/a.pth')


def test_a_url_is_downloaded_once_and_read_safely(tmp_path, monkeypatch):
    source = tmp_path / 'source.pth'
    torch.save({'state_dict': WEIGHTS, 'bomb': Bomb(tmp_path / 'no')}, source)
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'hub'))
    calls = []

    def download(url, target, **_):
        calls.append(url)
        Path(target).write_bytes(source.read_bytes())

    monkeypatch.setattr(torch.hub, 'download_url_to_file', download)
    url = 'https://example.org/models/net.pth?download=true'
    for _ in range(2):
        with pytest.raises(UnsafeCheckpointError):
            read_checkpoint(url)
    assert calls == [url]
    with pytest.raises(UnsafeCheckpointError):
        read_checkpoint(url.replace('models', 'others'))
    assert len(calls) == 2
    assert find_tensors(read_checkpoint(url, trust=True)).keys() == {'a', 'b'}
    assert not (tmp_path / 'no').exists()
    monkeypatch.setattr(
        weight_files, 'get_external_models', lambda: {'net': url}
    )
    read_checkpoint('open-mmlab://net', trust=True)


def test_an_address_that_cannot_be_fetched_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))

    def download(url, target, **_):
        raise HTTPError(url, 404, 'Not Found', {}, None)

    monkeypatch.setattr(torch.hub, 'download_url_to_file', download)
    url = 'https://example.org/net.pth'
    with pytest.raises(ValueError, match=r'net.pth: cannot .* 404: Not Fou'):
        read_checkpoint(url)


@pytest.mark.filterwarnings('error')
def test_a_plain_pickle_is_refused_without_a_warning(tmp_path):
    path = tmp_path / 'plain.pth'
    path.write_bytes(pickle.dumps({'state_dict': {}, 'x': Bomb(tmp_path)}))
    with pytest.raises(ValueError, match='not a readable checkpoint'):
        read_checkpoint(path)


def test_missing_safetensors_names_the_install_line(tmp_path, monkeypatch):
    path = tmp_path / 'a.safetensors'
    path.write_bytes(b'')
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith('safetensors'):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, '__import__', refuse)
    with pytest.raises(ImportError, match='pip install safetensors'):
        read_checkpoint(path)


def test_check_weights_lists_every_kind_of_difference():
    expected = {'a': torch.zeros(2), 'b': torch.zeros(3), 'c': torch.zeros(1)}
    check_weights(expected, expected)
    check_weights(
        expected,
        {k: expected[k] for k in 'ab'},
        optional=frozenset('c'),
    )
    with pytest.raises(ValueError) as caught:
        check_weights(
            expected, {'b': torch.zeros(4), 'd': torch.zeros(1)}, source='f'
        )
    assert str(caught.value) == (
        'f does not fit; missing: a, c; unknown: d; '
        'wrong shape: b (4,) for (3,)'
    )
    many = {f'k{i:02}': torch.zeros(1) for i in range(15)}
    with pytest.raises(ValueError, match='k11 and 3 more'):
        check_weights(many, {})
