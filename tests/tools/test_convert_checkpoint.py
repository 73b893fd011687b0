import json
import os
import runpy
import sys

import pytest
import torch

from slotkd.apis import init_model
from tests import official


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, target) -> None:
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.fixture
def tool(repo, tmp_path, monkeypatch, capsys):
    """Return a function that runs the tool: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'facts.json').write_text(json.dumps(official.FACTS))

    def run(*arguments: str) -> tuple[int, str, str]:
        command = ['convert_checkpoint.py', *map(str, arguments)]
        monkeypatch.setattr(sys, 'argv', command)
        code = 0
        try:
            runpy.run_path(
                str(repo / 'tools' / 'convert_checkpoint.py'),
                run_name='__main__',
            )
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, *capsys.readouterr()

    return run


def save(path, **extra):
    """Write an official file and return the model in it."""
    model = official.build(official.slot_model())
    state = official.official_state(model)
    state['projector.projector.weight'] = torch.zeros(2)
    torch.save(dict(state_dict=state) | extra, path)
    return model


SLOTS = ('--source', 'slotcontrast', '--model-config', 'facts.json')


def test_weights_and_config_are_written(tool, tmp_path):
    model = save(tmp_path / 'a.ckpt')
    code, text, errors = tool('a.ckpt', *SLOTS, '--out', 'new/b.pth')
    assert (code, errors) == (0, '')
    assert 'initializer.slots -> initializer.slots (1, 3, 8)' in text
    assert 'not used: projector.projector.weight' in text
    assert 'read by nothing: backbone.norm.bias, backbone.norm.weight' in text
    twin = init_model('new/b.py', 'new/b.pth')
    clips = torch.randn(1, 2, 3, 42, 56)
    with torch.no_grad():
        torch.testing.assert_close(twin(clips).recon, model(clips).recon)


def test_a_file_with_code_is_refused_and_never_run(tool, tmp_path):
    target = tmp_path / 'made-by-the-bomb'
    save(tmp_path / 'a.ckpt', bomb=Bomb(target))
    code, text, errors = tool('a.ckpt', *SLOTS, '--out', 'b.pth')
    assert (code, text) == (2, '')
    assert errors.count('\n') == 1
    assert errors.startswith('error: a.ckpt: needs unpickling of')
    assert '--trust' in errors
    assert not (tmp_path / 'b.pth').exists()
    code, _, _ = tool('a.ckpt', *SLOTS, '--out', 'b.pth', '--trust')
    assert code == 0
    torch.load(tmp_path / 'b.pth', weights_only=True)
    assert not target.exists()


def test_dinov2_writes_weights_only(tool, tmp_path):
    model = official.build(official.slot_model())
    torch.save(model.backbone.state_dict(), tmp_path / 'vit.pth')
    code, text, _ = tool(
        'vit.pth',
        '--source',
        'dinov2',
        '--out',
        'b.pth',
        '--model-config',
        'facts.json',
    )
    assert code == 0
    assert 'cls_token -> cls_token (1, 1, 12)' in text
    assert not (tmp_path / 'b.py').exists()
    saved = torch.load(tmp_path / 'b.pth', weights_only=True)
    assert saved['state_dict'].keys() == model.backbone.state_dict().keys()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('absent.ckpt', *SLOTS, '--out', 'b.pth'), 'absent.ckpt'),
        (('a.ckpt', *SLOTS, '--out', 'b.pt'), '--out must name a .pth'),
        (('a.pth', *SLOTS, '--out', './a.pth'), 'must not be the source'),
        (('a.ckpt', *SLOTS[:2], '--out', 'b.pth'), 'num_heads'),
        (('a.ckpt', *SLOTS[:3], 'no.json', '--out', 'b.pth'), 'no.json'),
        (('a.ckpt', '--source', 'x', '--out', 'b.pth'), "'x'"),
        (('a.ckpt', '--source', 'dinov2'), '--out'),
        (('cut.ckpt', *SLOTS, '--out', 'b.pth'), 'not a readable checkpoint'),
    ],
)
def test_wrong_input_ends_with_code_2_and_one_line(
    tool, tmp_path, arguments, message
):
    save(tmp_path / 'a.ckpt')
    content = (tmp_path / 'a.ckpt').read_bytes()
    (tmp_path / 'a.pth').write_bytes(content)
    (tmp_path / 'cut.ckpt').write_bytes(content[:1000])
    code, text, errors = tool(*arguments)
    assert (code, text) == (2, '')
    assert errors.count('\n') == 1
    assert message in errors
    assert not (tmp_path / 'b.pth').exists()
    assert (tmp_path / 'a.pth').read_bytes() == content
