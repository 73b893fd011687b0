"""The example project, run by mmsegmentation's own tools outside of here."""

import json
import re
import shutil
import sys
from pathlib import Path

import mmseg.registry
import pytest
import torch
from mmengine.config import Config

from slotkd.compat import load_from_local
from tests.conftest import REPO
from tests.scripts import MMSEG_TOOLS, run_here, spawn

PROJECT = REPO / 'examples' / 'mmseg_project'
CONFIGS = sorted((PROJECT / 'configs').glob('*.py'))
SMALL = [
    'default_hooks.checkpoint.interval=2',
    'default_hooks.logger.interval=1',
    'train_cfg.val_interval=2',
    'train_dataloader.batch_size=2',
]
for split in ('train', 'val', 'test'):
    SMALL += [
        f'{split}_dataloader.num_workers=0',
        f'{split}_dataloader.persistent_workers=False',
    ]


@pytest.fixture(scope='module')
def project(tmp_path_factory):
    """Copy the project and draw a few frames, as its user would."""
    folder = tmp_path_factory.mktemp('user') / 'project'
    shutil.copytree(PROJECT, folder)
    drawn = spawn(
        folder / 'draw_data.py', '--train', 3, '--val', 1, cwd=folder
    )
    assert drawn.returncode == 0, drawn.stderr
    yield folder
    # What the project registers belongs to its copy.
    for name in [n for n in sys.modules if n.split('.')[0] == 'my_shapes']:
        del sys.modules[name]
    mmseg.registry.DATASETS.module_dict.pop('ShapesDataset', None)


@pytest.fixture
def run(project, monkeypatch, plain_config_text):
    """Return a function that runs a tool of mmsegmentation in this process."""

    def run_tool(tool, config, *arguments, max_iters=2, **options):
        monkeypatch.syspath_prepend(str(project))
        changed = [f'{key}={value}' for key, value in options.items()]
        run_here(
            monkeypatch,
            MMSEG_TOOLS / tool,
            f'configs/{config}.py',
            *arguments,
            *('--cfg-options', *SMALL, *changed),
            f'train_cfg.max_iters={max_iters}',
            cwd=project,
        )

    return run_tool


def checkpoint(project: Path, name: str, iteration: int = 2) -> dict:
    """Return what a run of the project saved."""
    return load_from_local(
        project / 'work_dirs' / name / f'iter_{iteration}.pth'
    )


def last_metrics(project: Path, name: str) -> dict:
    """Return the last line of metrics that a run of the project logged."""
    logs = sorted((project / 'work_dirs' / name).glob('2*/2*.json'))
    text = logs[-1].read_text().strip()
    return json.loads(text if text.count('\n') == 0 else text.split('\n')[-1])


def logged(project: Path, name: str) -> list[dict]:
    """Return the training lines that the first run of a config logged."""
    files = (project / 'work_dirs' / name).rglob('scalars.json')
    lines = map(json.loads, min(files).read_text().splitlines())
    return [line for line in lines if 'loss' in line]


def moved(before: dict, after: dict, part: str) -> bool:
    """Tell whether any weight of a part changed."""
    old, new = before['state_dict'], after['state_dict']
    return any(
        not torch.equal(old[k], new[k]) for k in old if k.startswith(part)
    )


def train_resume_test(project: Path, run, name: str, **options) -> dict:
    """Train for 2 iterations, go on to the third, test; return the last."""
    run('train.py', name, **options)
    first = checkpoint(project, name)
    run('train.py', name, '--resume', max_iters=3, **options)
    last = checkpoint(project, name, 3)
    assert last['meta']['iter'] == 3
    run('test.py', name, f'work_dirs/{name}/iter_3.pth', **options)
    assert 0 <= last_metrics(project, name)['mIoU'] <= 100
    assert moved(first, last, '')
    return last


@pytest.fixture(scope='module')
def slots(project):
    """Train the project's slot model, in a process of its own."""
    options = [*SMALL, 'train_cfg.max_iters=2']
    done = spawn(
        MMSEG_TOOLS / 'train.py',
        *('configs/slots.py', '--cfg-options', *options),
        cwd=project,
        PYTHONPATH='.',
    )
    assert done.returncode == 0, done.stderr
    assert 'fg_ari' in done.stdout + done.stderr
    return 'work_dirs/slots/iter_2.pth'


def test_the_project_needs_nothing_of_this_repository(project):
    for path in project.rglob('*.py'):
        text = path.read_text()
        assert 'tests' not in text and '..' not in text.replace('...', '')
        assert not re.search(r'^(from|import) slotkd', text, re.MULTILINE)


def test_fcn_on_a_slot_backbone(project, run, slots):
    last = train_resume_test(
        project, run, 'fcn_slots', **{'model.backbone.checkpoint': slots}
    )
    trained = torch.load(project / slots, weights_only=False)['state_dict']
    for key, value in last['state_dict'].items():
        if key.startswith('backbone.model.'):
            assert torch.equal(
                value, trained[key.removeprefix('backbone.model.')]
            )


@pytest.fixture
def teacher(project, run):
    """Train the larger SegFormer, once; return the options that name it."""
    path = 'work_dirs/segformer_b1/iter_2.pth'
    if not (project / path).exists():
        run('train.py', 'segformer_b1')
    return {'model.teacher_checkpoint': path}


def test_small_segformer_taught_by_a_larger_one(project, run, teacher):
    last = train_resume_test(project, run, 'segformer_b0_from_b1', **teacher)
    roots = {key.split('.')[0] for key in last['state_dict']}
    assert roots == {'student', 'distill_losses'}
    assert {'loss_logits', 'loss_feats'} <= set(
        *logged(project, 'segformer_b0_from_b1')[:1]
    )
    # The student alone is the plain model of mmsegmentation.
    done = spawn(
        REPO / 'tools' / 'extract_student.py',
        *('work_dirs/segformer_b0_from_b1/iter_3.pth', 'student.pth'),
        cwd=project,
        PYTHONPATH='.',
    )
    assert done.returncode == 0, done.stderr
    run('test.py', 'segformer_b0', 'student.pth')
    alone = last_metrics(project, 'segformer_b0')
    taught = last_metrics(project, 'segformer_b0_from_b1')
    assert alone['mIoU'] == pytest.approx(taught['mIoU'])


def test_the_same_with_ssync_between_heads(project, run, teacher):
    name = 'segformer_b0_from_b1_ssync'
    options = teacher | {'model.losses.ssync.begin': 1}
    run('train.py', name, **options)
    before, after = (
        sum(v for k, v in line.items() if k.startswith('loss_ssync'))
        for line in logged(project, name)
    )
    assert before == 0 < after
    run('test.py', name, f'work_dirs/{name}/iter_2.pth', **options)
    assert 0 <= last_metrics(project, name)['mIoU'] <= 100


def test_segformer_taught_by_slots(project, run, slots):
    name = 'segformer_b0_from_slots'
    run('train.py', name, **{'model.slot_teacher.checkpoint': slots})
    assert all(line['loss_slots'] > 0 for line in logged(project, name))


@pytest.mark.parametrize('path', CONFIGS, ids=lambda p: p.stem)
def test_each_config_is_named_in_the_readme(path):
    assert f'`{path.name}`' in (PROJECT / 'README.md').read_text()
    text = Config.fromfile(path, import_custom_modules=False)
    assert text.default_scope == 'mmseg'
    assert 'slotkd' in text.custom_imports.imports
