"""Reading weights runs no code, names what is wrong, and is strict."""

import os

import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader

from slotkd.apis.weights import (
    is_training_only,
    load_weights,
    read_weights,
    reading_weights_only,
)
from slotkd.models.backbones import optional_weights
from tests import official, tiny


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.fixture
def of_training(tmp_path):
    """Write a checkpoint as of training; return its weights, path, target."""
    state = tiny.build(tiny.slot_model()).state_dict()
    target = tmp_path / 'made-by-the-bomb'
    content = dict(
        state_dict={f'module.{key}': value for key, value in state.items()},
        message_hub=dict(log_scalars={'loss': HistoryBuffer([1.0], [1])}),
        bomb=Bomb(target),
    )
    torch.save(content, tmp_path / 'iter_8.pth')
    return state, tmp_path / 'iter_8.pth', target


def test_no_code_is_run(of_training, capfd):
    state, path, target = of_training
    weights = read_weights(path)
    assert weights.keys() == state.keys()
    assert all(torch.equal(weights[key], state[key]) for key in state)
    assert not target.exists()
    assert capfd.readouterr() == ('', '')


def test_mmengine_runs_no_code_meanwhile(of_training):
    state, path, target = of_training
    before = dict(CheckpointLoader._schemes)
    with reading_weights_only():
        content = CheckpointLoader.load_checkpoint(str(path))
    assert list(content) == ['state_dict'] and not target.exists()
    assert content['state_dict'].keys() == state.keys()
    assert CheckpointLoader._schemes == before
    CheckpointLoader.load_checkpoint(str(path))
    assert target.exists()


def test_mmengine_reads_as_before_after_an_error(tmp_path):
    before = dict(CheckpointLoader._schemes)
    with pytest.raises(FileNotFoundError), reading_weights_only():
        CheckpointLoader.load_checkpoint(str(tmp_path / 'no.pth'))
    assert CheckpointLoader._schemes == before


def test_a_published_checkpoint_loads_as_it_is(tmp_path):
    model = official.build(official.slot_model())
    path = tmp_path / 'official.ckpt'
    torch.save(dict(state_dict=official.official_state(model)), path)
    twin = official.build(official.slot_model())
    load_weights(twin, path)
    loaded, state = twin.state_dict(), model.state_dict()
    read = state.keys() - optional_weights(model)
    assert all(torch.equal(loaded[key], state[key]) for key in read)


def test_terms_are_no_part_of_the_model(tmp_path):
    model = tiny.build(tiny.slot_model())
    state = {**model.state_dict(), 'losses.new.weight': torch.ones(1)}
    torch.save(state, tmp_path / 'x.pth')
    load_weights(model, tmp_path / 'x.pth')
    assert is_training_only('student.losses.new.weight')
    assert is_training_only('distill_losses.x.proj.bias')
    assert not is_training_only('student.neck.losses.weight')


@pytest.mark.parametrize(
    ('content', 'told'),
    [
        (b'import os\n', 'not a readable checkpoint'),
        (dict(epoch=3), 'other entries: epoch'),
        (dict(state_dict={}), 'holds no weights'),
        ([1, 2], 'holds a list'),
    ],
)
def test_what_holds_no_weights_is_named(tmp_path, content, told):
    path = tmp_path / 'strange.pth'
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(ValueError, match='checkpoint .*strange.pth') as e:
        read_weights(path)
    assert told in str(e.value) and '\n' not in str(e.value)
    assert str(e.value).count('strange.pth') == 1
