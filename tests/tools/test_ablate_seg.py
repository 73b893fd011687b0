"""The ablation of distilled segmentors: resumes, and differs as it says."""

import json
import runpy
import sys

import pytest
from mmengine.config import Config

from tests import toy_mmseg

pytestmark = pytest.mark.usefixtures('plain_config_text')


@pytest.fixture
def call(repo, tmp_path, monkeypatch, capsys):
    """Return a function that runs the script at toy size."""

    monkeypatch.setattr('mmengine.config.utils.load', toy_mmseg.read_metafile)

    def run(*arguments):
        path = repo / 'tools' / 'benchmarks' / 'ablate_seg.py'
        sizes = '--iters 2 --teacher-iters 2 --images 4 --test-images 2'
        sizes = [*sizes.split(), '--seeds', '3']
        argv = [str(path), '--work-dir', str(tmp_path), *sizes, *arguments]
        monkeypatch.setattr(sys, 'argv', argv)
        capsys.readouterr()
        try:
            module = runpy.run_path(argv[0], run_name='__main__')
        except SystemExit as error:
            assert not error.code
            return None, capsys.readouterr().out
        return module, capsys.readouterr().out

    return run


def test_runs_once_and_prints_the_table(call, tmp_path):
    out = call()[1]
    results = json.loads((tmp_path / 'results.json').read_text())
    variants = ['alone', 'KL', 'KL + CWD', 'KL + CWD + SSync']
    assert list(results) == ['teacher', *variants]
    assert out.count('seed 3: ') == 4 and out.count('seed 0: ') == 1
    scores = results['alone']['3']
    assert 0 <= scores['mIoU'] <= 100 and scores['cpu_s'] > 0
    row = f'| alone | 1 | {scores["mIoU"]:.1f} |'
    assert row in out
    again = call()[1]
    assert 'seed 3: ' not in again and row in again


def test_variants_differ_in_the_terms_they_name(repo):
    script = repo / 'tools' / 'benchmarks' / 'ablate_seg.py'
    module = runpy.run_path(str(script))
    args = module['argparse'].Namespace(
        work_dir='w', iters=400, images=4, test_images=2
    )
    terms = {}
    for name in module['VARIANTS']:
        cfg = module['run_config'](name, 'teacher.pth', 1, args)
        model = cfg.model
        terms[name] = {
            *model.get('distill_losses', {}),
            *model.get('losses', {}),
        }
        assert cfg.randomness.seed == 1 and cfg.train_cfg.max_iters == 400
        student = model.get('student', model)
        assert student.backbone.base_channels == 16
    assert terms == {
        'alone': set(),
        'KL': {'kl'},
        'KL + CWD': {'kl', 'cwd'},
        'KL + CWD + SSync': {'kl', 'cwd', 'ssync'},
    }
    shipped = Config.fromfile(module['CONFIGS'] / f'{module["SSYNC"]}.py')
    assert cfg.model.losses == shipped.model.losses
    assert cfg.param_scheduler == shipped.param_scheduler
    assert module['spread']([1.0, 3.0]) == '2.0 ± 1.4'
