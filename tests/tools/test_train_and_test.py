"""train.py, test.py, print_config.py and extract_student.py as commands."""

import json
import os
import runpy
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from PIL import Image

from slotkd.apis import init_model
from slotkd.compat import load_from_local
from slotkd.registry import MODELS as SLOTKD_MODELS
from tests import toy_run

TOOLS = Path(__file__).resolve().parents[2] / 'tools'


@dataclass
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def spawn(tool: str, *arguments, cwd=None, **env) -> Done:
    """Run a tool in a process of its own."""
    done = subprocess.run(
        [sys.executable, str(TOOLS / tool), *map(str, arguments)],
        env={**os.environ, 'OMP_NUM_THREADS': '1', **env},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def run(monkeypatch, capfd):
    """Return a function that runs a tool in this process, to save time."""

    def run_here(tool: str, *arguments, cwd=None) -> Done:
        argv = [tool, *map(str, arguments)]
        monkeypatch.setattr(sys, 'argv', argv)
        if cwd is not None:
            monkeypatch.chdir(cwd)
        code: int | str | None = 0
        capfd.readouterr()
        try:
            runpy.run_path(str(TOOLS / tool), run_name='__main__')
        except SystemExit as error:
            code = error.code
        out, err = capfd.readouterr()
        return Done(int(code or 0), out, err)

    return run_here


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Train a toy distiller for two iterations through the command."""
    folder = tmp_path_factory.mktemp('trained')
    torch.manual_seed(7)
    teacher = folder / 'teacher.pth'
    torch.save(
        MODELS.build(dict(toy_run.teacher(), _scope_='slotkd')).state_dict(),
        teacher,
    )
    cfg = toy_run.config(model=toy_run.distiller(str(teacher)))
    cfg.train_cfg.max_iters = 2
    cfg.custom_hooks = [dict(type='EMAHook', momentum=0.5)]
    path = toy_run.dump(cfg, folder / 'toy.py')
    done = spawn(
        'train.py', path, '--amp', cwd=folder, CUDA_VISIBLE_DEVICES=''
    )
    assert done.returncode == 0, done.stderr
    return folder, done


def error_line(done: Done, code: int = 2) -> str:
    """Return the one line of a failure."""
    assert done.returncode == code, done.stderr
    lines = [x for x in done.stderr.splitlines() if x.startswith('error: ')]
    assert len(lines) == 1 and 'Traceback' not in done.stderr
    return lines[0]


def test_training_writes_below_work_dirs(trained):
    folder, done = trained
    work_dir = folder / 'work_dirs' / 'toy'
    assert (work_dir / 'iter_2.pth').is_file()
    assert (work_dir / 'toy.py').is_file()
    log = done.stdout + done.stderr
    assert 'loss_slot_match' in log and 'eta' in log and 'fg_ari' in log


def test_amp_falls_back_on_the_cpu(trained):
    _, done = trained
    log = done.stdout + done.stderr
    assert '--amp needs a CUDA device and there is none' in log


def test_test_writes_metrics_and_drawings(run, trained, tmp_path):
    folder, _ = trained
    out = tmp_path / 'new' / 'metrics.json'
    done = run(
        *('test.py', folder / 'toy.py', folder / 'work_dirs/toy/iter_2.pth'),
        *('--work-dir', tmp_path / 'work', '--out', out),
        *('--show-dir', tmp_path / 'show'),
    )
    assert done.returncode == 0, done.stderr
    metrics = json.loads(out.read_text())
    assert {'fg_ari', 'mbo'} <= set(metrics)
    assert all(isinstance(value, float) for value in metrics.values())
    assert 'unpickled' not in done.stdout + done.stderr
    drawn = list((tmp_path / 'show').rglob('*.png'))
    assert len(drawn) == 3
    assert all(Image.open(path).size > (16, 16) for path in drawn)


def test_training_goes_on_where_it_stopped(run, trained, tmp_path):
    folder, _ = trained
    options = ['--cfg-options', 'train_cfg.max_iters=3']
    arguments = [folder / 'toy.py', '--work-dir', tmp_path, *options]
    checkpoint = folder / 'work_dirs/toy/iter_2.pth'
    done = run('train.py', *arguments, '--resume', checkpoint)
    assert done.returncode == 0, done.stderr
    log = done.stdout + done.stderr
    assert 'resumed epoch: 0, iter: 2' in log
    assert 'Iter(train) [3/3]' in log and 'Iter(train) [2/3]' not in log
    assert (tmp_path / 'iter_3.pth').is_file()


def test_student_is_extracted_and_stands_alone(run, trained, tmp_path):
    folder, _ = trained
    checkpoint = folder / 'work_dirs/toy/iter_2.pth'
    out = tmp_path / 'student.pth'
    done = run('extract_student.py', checkpoint, out)
    assert done.returncode == 0, done.stderr
    content = torch.load(out, weights_only=True)
    saved = load_from_local(checkpoint)
    assert content['meta']['averaged'] is True and content['meta']['iter'] == 2
    state = content['state_dict']
    assert state and not any(k.startswith('student.') for k in state)
    assert not any('losses' in key for key in state)
    for key, value in state.items():
        assert torch.equal(value, saved['state_dict'][f'student.{key}'])
        raw = saved['ema_state_dict'][f'module.student.{key}']
        if 'decoder' in key and value.ndim > 1:
            assert not torch.equal(value, raw)
    config = Config.fromfile(out.with_suffix('.py'))
    assert config.model.type == 'SlotVideoModel'
    assert 'optim_wrapper' not in config and 'teacher' not in config.model
    model = init_model(config, str(out))
    inputs = torch.randn(1, 2, 3, 16, 16)
    distiller = init_model(str(folder / 'toy.py'), str(checkpoint))
    expected = distiller(inputs, mode='tensor')
    assert torch.equal(model(inputs, mode='tensor').slots, expected.slots)
    metrics = [tmp_path / 'alone.json', tmp_path / 'inside.json']
    for cfg, weights, path in (
        (out.with_suffix('.py'), out, metrics[0]),
        (folder / 'toy.py', checkpoint, metrics[1]),
    ):
        arguments = ['--work-dir', tmp_path / 'work', '--out', path]
        done = run('test.py', cfg, weights, *arguments)
        assert done.returncode == 0, done.stderr
    assert json.loads(metrics[0].read_text()) == json.loads(
        metrics[1].read_text()
    )


def test_plain_weights_are_extracted_without_a_config(run, tmp_path):
    source = tmp_path / 'plain.pth'
    torch.save(
        {'neck.weight': torch.ones(2), 'losses.x': torch.ones(1)}, source
    )
    done = run('extract_student.py', source, tmp_path / 'out.pth')
    assert done.returncode == 0, done.stderr
    content = torch.load(tmp_path / 'out.pth', weights_only=True)
    assert list(content['state_dict']) == ['neck.weight']
    assert not (tmp_path / 'out.py').exists()


@pytest.mark.parametrize(
    ('content', 'told'),
    [
        ({'state_dict': {}}, 'holds no weights of a model, but state_dict'),
        ({'epoch': 3}, 'holds no weights of a model, but epoch'),
        ([1, 2], 'holds a list'),
    ],
)
def test_a_file_without_weights_is_refused(run, tmp_path, content, told):
    torch.save(content, tmp_path / 'x.pth')
    done = run('extract_student.py', tmp_path / 'x.pth', tmp_path / 'y.pth')
    assert told in error_line(done)
    assert not (tmp_path / 'y.pth').exists()


def test_another_config_is_not_overwritten(run, trained, tmp_path):
    folder, _ = trained
    checkpoint = folder / 'work_dirs/toy/iter_2.pth'
    theirs = tmp_path / 'student.py'
    theirs.write_text('mine = 1\n')
    arguments = [checkpoint, tmp_path / 'student.pth']
    told = error_line(run('extract_student.py', *arguments))
    assert 'student.py exists and is not of this tool' in told
    assert theirs.read_text() == 'mine = 1\n'
    assert not (tmp_path / 'student.pth').exists()
    theirs.unlink()
    for _ in range(2):
        done = run('extract_student.py', *arguments)
        assert done.returncode == 0, done.stderr


def test_resuming_nothing_is_a_warning(run, tmp_path):
    cfg = toy_run.config()
    cfg.train_cfg.max_iters = 1
    path = toy_run.dump(cfg, tmp_path / 'toy.py')
    arguments = [path, '--work-dir', tmp_path / 'mispelt', '--resume']
    told = f'no checkpoint in {tmp_path}/mispelt: starting at iteration 0'
    for known in (False, True):
        done = run('train.py', *arguments)
        assert done.returncode == 0, done.stderr
        log = done.stdout + done.stderr
        assert log.count(told) == (0 if known else 1)


def test_print_config_shows_merged_values(run, tmp_path):
    path = toy_run.dump(toy_run.config(), tmp_path / 'toy.py')
    done = run('print_config.py', path, '--cfg-options', 'model.num_iters=5')
    assert done.returncode == 0, done.stderr
    assert Config.fromstring(done.stdout, '.py').model.num_iters == 5


@pytest.mark.parametrize(
    ('tool', 'arguments', 'told'),
    [
        ('train.py', ['no.py'], 'config no.py does not exist'),
        (
            'train.py',
            ['toy.py', '--resume', 'no.pth'],
            'no.pth does not exist',
        ),
        (
            'train.py',
            ['toy.py', '--cfg-options', 'model.corrector.slot_dm=3'],
            "toy.py: model.corrector: SlotAttention takes no argument 'slot_",
        ),
        (
            'train.py',
            ['toy.py', '--cfg-options', 'model.type=SlotVideoModl'],
            "toy.py: model.type: 'SlotVideoModl' is not registered",
        ),
        (
            'train.py',
            ['toy.py', '--cfg-options', 'max_iters=3'],
            "--cfg-options max_iters: toy.py has no 'max_iters'",
        ),
        (
            'train.py',
            ['toy.py', '--cfg-options', 'model.neck.out_dim=12'],
            'neck.out_dim is 12, but corrector.token_dim is 16',
        ),
        (
            'train.py',
            ['distil.py'],
            'model.teacher_checkpoint no_teacher.pth does not exist',
        ),
        ('train.py', ['toy.py', '--launcher', 'x'], "invalid choice: 'x'"),
        ('test.py', ['toy.py', 'no.pth'], 'checkpoint no.pth does not exist'),
        ('test.py', ['toy.py', 'bad.pth'], 'bad.pth: not a readable'),
        (
            'test.py',
            ['toy.py', 'other.pth'],
            'other.pth does not fit SlotVideoModel: neck.',
        ),
        ('test.py', ['toy.py', 'ok.pth', '--out', 'x.txt'], 'x.txt'),
        (
            'test.py',
            ['toy.py', 'ok.pth', '--out', 'toy.py/x.json'],
            'toy.py is not a folder',
        ),
        ('extract_student.py', ['ok.pth', 'ok.pth'], 'must not be the'),
        ('print_config.py', ['broken.py'], 'broken.py: NameError'),
    ],
)
def test_wrong_input_is_one_line_and_code_2(
    run, tmp_path, tool, arguments, told
):
    toy_run.dump(toy_run.config(), tmp_path / 'toy.py')
    cfg = toy_run.config(model=toy_run.distiller('no_teacher.pth'))
    toy_run.dump(cfg, tmp_path / 'distil.py')
    (tmp_path / 'bad.pth').write_bytes(b'nothing')
    (tmp_path / 'broken.py').write_text('model = oops\n')
    torch.save({}, tmp_path / 'ok.pth')
    torch.save({'neck.layers.1.bias': torch.ones(3)}, tmp_path / 'other.pth')
    before = {p.name for p in tmp_path.iterdir()}
    done = run(tool, *arguments, cwd=tmp_path)
    assert told in error_line(done)
    written = {p.name for p in tmp_path.iterdir()} - before
    # Only what building finds comes after the work directory is made.
    assert written <= {'work_dirs'}
    assert not list(tmp_path.glob('work_dirs/**/*.pth'))


def test_nan_is_one_line_and_code_1(run, tmp_path):
    cfg = toy_run.config()
    cfg.model.losses.recon.loss_weight = float('inf')
    path = tmp_path / 'toy.py'
    path.write_text(cfg.pretty_text.replace('=inf', "=float('inf')"))
    done = run('train.py', path, '--work-dir', tmp_path / 'work')
    line = error_line(done, code=1)
    assert 'loss_recon = inf' in line and 'iteration 0' in line
    assert not list((tmp_path / 'work').glob('*.pth'))


class RootOfNothing(torch.nn.Module):
    """A loss of 0 whose gradient is not finite in the second iteration."""

    fields = ('recon',)

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, output):
        self.calls += 1
        nothing = 0 * output.recon.sum()
        return nothing.sqrt() if self.calls == 2 else nothing


def test_gradients_that_are_not_finite_stop_before_the_step(
    run, tmp_path, monkeypatch
):
    stepped = []
    step = torch.optim.Adam.step
    monkeypatch.setattr(
        torch.optim.Adam,
        'step',
        lambda self, *a, **k: (stepped.append(1), step(self, *a, **k))[1],
    )
    monkeypatch.setitem(
        SLOTKD_MODELS.module_dict, 'RootOfNothing', RootOfNothing
    )
    cfg = toy_run.config()
    cfg.model.losses.root = dict(type='RootOfNothing')
    path = toy_run.dump(cfg, tmp_path / 'toy.py')
    done = run('train.py', path, '--work-dir', tmp_path / 'work')
    told = error_line(done, code=1)
    assert told.startswith('error: gradients are not finite at iteration 1;')
    assert len(stepped) == 1


def test_exit_code_of_a_process(tmp_path):
    done = spawn('train.py', 'no.py', cwd=tmp_path)
    assert error_line(done) == 'error: config no.py does not exist'


@pytest.mark.parametrize('script', ['dist_train.sh', 'dist_test.sh'])
def test_scripts_are_executable_and_parse(script):
    assert os.access(TOOLS / script, os.X_OK)
    done = subprocess.run(['bash', '-n', str(TOOLS / script)])
    assert done.returncode == 0
