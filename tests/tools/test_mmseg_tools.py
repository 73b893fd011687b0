"""mmsegmentation's own train.py and test.py run slotkd's parts by config."""

import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from slotkd.registry import MODELS
from tests import segmentors, tiny

REPO = Path(__file__).resolve().parents[2]
SIZE = (32, 48)

# Runs commands one after another, each in a process of its own that has the
# imports already: those that the line in the config and mmsegmentation make.
RUN_ALL = """
import json, os, runpy, sys
from mmengine.config import Config
jobs = json.loads(sys.argv[1])
Config.fromfile(jobs[0][1])
# The layout of logged configs is most of the time of a toy run.
import mmengine.config.config
mmengine.config.config.FormatCode = lambda text, **_: (text, True)
import mmseg.apis, mmseg.datasets, mmseg.evaluation, mmseg.visualization
for log, *argv in ([job[-1], *job[:-1]] for job in jobs):
    child = os.fork()
    if child == 0:
        out = os.open(log, os.O_CREAT | os.O_WRONLY, 0o600)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.argv = argv
        try:
            runpy.run_path(argv[0], run_name='__main__')
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit(open(log).read())
"""

# mmsegmentation alone: slotkd cannot be imported. Without compiled mmcv
# nothing imports mmseg.models but with a stand-in, which is made here.
PLAIN = """
import importlib.machinery, importlib.util, sys, types
sys.modules['slotkd'] = None
if importlib.util.find_spec('mmcv._ext') is None:
    stub = types.ModuleType('mmcv._ext')
    stub.__getattr__ = lambda name: None
    stub.__spec__ = importlib.machinery.ModuleSpec('mmcv._ext', None)
    sys.modules['mmcv._ext'] = stub
import torch
from mmseg.apis import inference_model, init_model
config, checkpoint, image, out = sys.argv[1:]
model = init_model(config, checkpoint, device='cpu')
result = inference_model(model, image)
torch.save(dict(
    keys=list(model.state_dict()),
    classes=list(model.dataset_meta['classes']),
    logits=result.seg_logits.data,
), out)
assert not any(name.startswith('slotkd.') for name in sys.modules)
"""


def tool(name: str) -> str:
    """Return a tool of mmsegmentation's wheel."""
    for distribution in ('mmsegmentation', 'onedl-mmsegmentation'):
        try:
            root = metadata.distribution(distribution).locate_file('mmseg')
        except metadata.PackageNotFoundError:
            continue
        return str(Path(str(root), '.mim', 'tools', name))
    raise AssertionError('mmsegmentation is not installed')


def loader(folder: Path, seed: int, shuffle: bool) -> dict:
    loading = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
    return dict(
        batch_size=2,
        num_workers=0,
        sampler=dict(
            type='InfiniteSampler' if shuffle else 'DefaultSampler',
            shuffle=shuffle,
        ),
        dataset=dict(
            type='slotkd.ShapeSegDataset',
            data_root=str(folder / 'data'),
            num_images=6 if shuffle else 2,
            seed=seed,
            size=SIZE,
            pipeline=[*loading, dict(type='PackSegInputs')],
        ),
    )


def config(model: dict, folder: Path) -> Config:
    """Return a user's config of mmsegmentation around a model."""
    validation = loader(folder, 1, shuffle=False)
    metric = dict(type='IoUMetric', iou_metrics=['mIoU'])
    return Config(
        dict(
            default_scope='mmseg',
            custom_imports=dict(
                imports=['slotkd'], allow_failed_imports=False
            ),
            model=model,
            train_dataloader=loader(folder, 0, shuffle=True),
            val_dataloader=validation,
            test_dataloader=validation,
            val_evaluator=metric,
            test_evaluator=metric,
            test_pipeline=validation['dataset']['pipeline'][::2],
            optim_wrapper=dict(
                type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3)
            ),
            train_cfg=dict(
                type='IterBasedTrainLoop', max_iters=2, val_interval=2
            ),
            val_cfg=dict(type='ValLoop'),
            test_cfg=dict(type='TestLoop'),
            default_hooks=dict(
                logger=dict(type='LoggerHook', interval=1),
                checkpoint=dict(
                    type='CheckpointHook', by_epoch=False, interval=2
                ),
                visualization=dict(type='SegVisualizationHook', interval=1),
            ),
            visualizer=dict(
                type='SegLocalVisualizer',
                vis_backends=[dict(type='LocalVisBackend')],
                name='visualizer',
            ),
            log_processor=dict(by_epoch=False, window_size=1),
            randomness=dict(seed=0),
            load_from=None,
        )
    )


def classes(model: dict) -> dict:
    """Give a segmentor the classes of the data set."""
    preprocessor = dict(segmentors.PREPROCESSOR, size=SIZE)
    model = dict(model, data_preprocessor=preprocessor)
    for name in ('decode_head', 'auxiliary_head'):
        if name in model:
            model[name] = dict(model[name], num_classes=6)
    return model


def fcn(folder: Path) -> dict:
    """Return (a): an FCN on the maps of a slot model."""
    slots = tiny.slot_model(grid=(8, 12))
    torch.save(tiny.build(slots).state_dict(), folder / 'slots.pth')
    head = segmentors.fcn_head(
        [12, 16, 4], [0, 1, 2], input_transform='resize_concat'
    )
    backbone = dict(
        type='slotkd.SlotBackbone',
        model=slots,
        out=('feats', 'mixed', 'masks'),
        checkpoint=str(folder / 'slots.pth'),
        frozen=False,
    )
    return classes(segmentors.segformer(backbone=backbone, decode_head=head))


def distiller(folder: Path, student: dict, **options) -> dict:
    """Return (b): a SegFormer taught by a larger one."""
    teacher = classes(segmentors.segformer(width=8))
    path = folder / 'teacher.pth'
    if not path.is_file():
        state = segmentors.build(teacher).state_dict()
        torch.save(dict(meta={}, state_dict=state), path)
    return dict(
        type='slotkd.SegDistiller',
        student=classes(student),
        teacher=teacher,
        teacher_checkpoint=str(path),
        distill_losses=dict(
            kl=dict(type='LogitDistillLoss', temperature=2.0),
            feats=dict(
                type='MapDistillLoss',
                student_channels=32,
                teacher_channels=64,
            ),
        ),
        **options,
    )


def models(folder: Path) -> dict[str, dict]:
    return dict(
        fcn=fcn(folder),
        distilled=distiller(folder, segmentors.segformer()),
        ssync=distiller(
            folder,
            segmentors.with_auxiliary_head(),
            losses=dict(ssync=dict(type='SegSSyncLoss', begin=1)),
        ),
    )


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    """Train, validate, resume and test all models; return the folder."""
    folder = tmp_path_factory.mktemp('mmseg')
    torch.manual_seed(5)
    jobs = []
    for name, model in models(folder).items():
        path = folder / f'{name}.py'
        parts = config(model, folder).to_dict().items()
        path.write_text('\n'.join(f'{k} = {v!r}' for k, v in parts))
        work = [str(path), '--work-dir', str(folder / name)]
        longer = ['--resume', '--cfg-options', 'train_cfg.max_iters=4']
        checkpoint = str(folder / name / 'iter_4.pth')
        shown = ['--show-dir', str(folder / name / 'shown')]
        tested = [work[0], checkpoint, *work[1:], *shown]
        for stage, job in (
            ('train', [tool('train.py'), *work]),
            ('resume', [tool('train.py'), *work, *longer]),
            ('test', [tool('test.py'), *tested]),
        ):
            jobs.append([*job, str(folder / f'{name}-{stage}.log')])
    done = subprocess.run(
        [sys.executable, '-c', RUN_ALL, json.dumps(jobs)],
        capture_output=True,
        text=True,
        timeout=500,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return folder


def log(folder: Path, name: str, stage: str) -> str:
    return (folder / f'{name}-{stage}.log').read_text()


ALL = pytest.mark.parametrize('name', ['fcn', 'distilled', 'ssync'])


@ALL
def test_trains_and_validates(runs, name):
    text = log(runs, name, 'train')
    assert 'Iter(train) [2/2]' in text and 'decode.loss_ce' in text
    assert re.search(r'Iter\(val\) \[1/1\].*mIoU: \d', text)
    assert 'Failed to search registry' not in text


def test_terms_are_logged_and_scheduled(runs):
    steps = {
        int(step): float(value)
        for step, value in re.findall(
            r'Iter\(train\) \[(\d)/2\].* loss_ssync_bd: ([\d.]+)',
            log(runs, 'ssync', 'train'),
        )
    }
    assert steps[1] == 0 and steps[2] > 0
    for name in ('distilled', 'ssync'):
        for term in ('loss_kl', 'loss_feats'):
            assert f' {term}: ' in log(runs, name, 'train')


@ALL
def test_resumes_where_it_stopped(runs, name):
    text = log(runs, name, 'resume')
    assert 'resumed epoch: 0, iter: 2' in text
    assert 'Iter(train) [3/4]' in text and 'Iter(train) [2/4]' not in text
    assert (runs / name / 'iter_4.pth').is_file()


@ALL
def test_tests_and_draws(runs, name):
    text = log(runs, name, 'test')
    assert re.search(r'Iter\(test\) \[1/1\].*mIoU: \d', text)
    drawn = list((runs / name).rglob('*.png'))
    assert len(drawn) == 2
    for path in drawn:
        # Truth and prediction side by side.
        assert Image.open(path).size == (2 * SIZE[1], SIZE[0])


@pytest.mark.parametrize('name', ['distilled', 'ssync'])
def test_checkpoints_hold_no_teacher(runs, name):
    content = torch.load(runs / name / 'iter_4.pth', weights_only=False)
    keys = set(content['state_dict'])
    teacher = torch.load(runs / 'teacher.pth')['state_dict']
    assert not any('teacher' in key for key in keys)
    assert all(k.startswith(('student.', 'distill_losses.')) for k in keys)
    sizes = {v.shape for v in content['state_dict'].values()}
    wide = teacher['decode_head.fusion_conv.conv.weight'].shape
    assert wide not in sizes
    optimised = content['optimizer']['param_groups'][0]['params']
    trained = [k for k in keys if 'running' not in k and 'num_b' not in k]
    assert len(optimised) == len(trained)


def test_the_student_loads_in_plain_mmsegmentation(runs, tmp_path):
    checkpoint = runs / 'distilled' / 'iter_4.pth'
    out = tmp_path / 'student.pth'
    extract = [sys.executable, str(REPO / 'tools' / 'extract_student.py')]
    done = subprocess.run(
        [*extract, str(checkpoint), str(out)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    content = torch.load(out, weights_only=True)
    image = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), np.uint8)
    Image.fromarray(image).save(tmp_path / 'image.png')
    arguments = [
        str(path)
        for path in (
            out.with_suffix('.py'),
            out,
            tmp_path / 'image.png',
            tmp_path / 'result.pth',
        )
    ]
    done = subprocess.run(
        [sys.executable, '-c', PLAIN, *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    result = torch.load(tmp_path / 'result.pth')
    assert result['keys'] == list(content['state_dict'])
    assert result['classes'][:2] == ['background', 'disc']
    model = MODELS.build(
        dict(
            Config.fromfile(runs / 'distilled.py').model,
            _scope_='mmseg',
        )
    ).eval()
    whole = torch.load(checkpoint, weights_only=False)['state_dict']
    model.load_state_dict(whole)
    inputs = torch.from_numpy(image[..., ::-1].copy()).permute(2, 0, 1)
    sample = segmentors.samples(1, SIZE)
    data = dict(inputs=[inputs], data_samples=sample)
    (expected,) = model.test_step(data)
    torch.testing.assert_close(result['logits'], expected.seg_logits.data)
