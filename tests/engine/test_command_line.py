"""Exit codes, one-line errors, configs from the command line."""

import sys

import pytest
import torch
from mmengine.logging import MessageHub

from slotkd.engine import (
    ConfigError,
    OneLineParser,
    build_runner,
    load_config,
    require_file,
    require_writable,
    run_command,
    run_config,
    run_parser,
)
from slotkd.engine.command_line import one_line, start_cpu_processes
from tests import toy_run


def fail(error: Exception):
    def main() -> None:
        raise error

    return main


@pytest.mark.parametrize(
    ('error', 'code'),
    [
        (ValueError('size 3\nis not 4'), 2),
        (ConfigError('x.py: unknown key'), 2),
        (FileNotFoundError('config x.py does not exist'), 2),
        (FloatingPointError('loss_recon = nan at iteration 7'), 1),
    ],
)
def test_codes_and_one_line(error, code, capsys):
    with pytest.raises(SystemExit) as caught:
        run_command(fail(error))
    assert caught.value.code == code
    expected = f'error: {" ".join(str(error).split())}\n'
    assert capsys.readouterr().err == expected


def test_defects_keep_their_traceback():
    with pytest.raises(RuntimeError, match='bug'):
        run_command(fail(RuntimeError('bug')))


def test_gradients_that_are_not_finite_are_one_line(capsys):
    MessageHub.get_current_instance().update_info('iter', 7)
    weight = torch.ones(2, requires_grad=True)
    (weight * float('inf')).sum().backward()

    def main() -> None:
        torch.nn.utils.clip_grad_norm_([weight], 1, error_if_nonfinite=True)

    with pytest.raises(SystemExit) as caught:
        run_command(main)
    assert caught.value.code == 1
    told = capsys.readouterr().err
    assert told.startswith('error: gradients are not finite at iteration 7;')
    assert told.count('\n') == 1


def test_traceback_on_request(monkeypatch):
    monkeypatch.setenv('SLOTKD_TRACEBACK', '1')
    with pytest.raises(ValueError, match='bad'):
        run_command(fail(ValueError('bad')))


def test_success_returns(capsys):
    run_command(lambda: None)
    assert capsys.readouterr().err == ''


class Broken(torch.utils.data.Dataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        raise ValueError('frames/03.jpg: image file is truncated')


def test_message_of_a_loader_process_is_its_last_line():
    loader = torch.utils.data.DataLoader(Broken(), num_workers=1)
    with pytest.raises(ValueError, match='Original Traceback') as caught:
        next(iter(loader))
    assert one_line(caught.value) == 'frames/03.jpg: image file is truncated'


def test_an_error_without_a_text_is_named():
    assert one_line(ValueError()) == 'ValueError'


def test_parser_complains_in_one_line(capsys):
    parser = OneLineParser(prog='tool.py')
    parser.add_argument('--number', type=int)
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(['--number', 'x'])
    assert caught.value.code == 2
    assert capsys.readouterr().err.count('\n') == 1


@pytest.mark.parametrize(
    ('text', 'told'),
    [
        ('model = dict(', 'SyntaxError'),
        ('model = undefined', 'NameError'),
        ("_base_ = ['missing.py']", 'missing.py'),
    ],
)
def test_broken_configs_name_the_file(tmp_path, text, told):
    path = tmp_path / 'broken.py'
    path.write_text(text)
    with pytest.raises(ConfigError, match=r'broken\.py') as caught:
        load_config(str(path))
    assert told in str(caught.value) and '\n' not in str(caught.value)


def test_missing_config_is_named():
    with pytest.raises(FileNotFoundError, match=r'nowhere\.py'):
        load_config('nowhere.py')


def test_option_beyond_a_list(tmp_path):
    path = toy_run.dump(toy_run.config(), tmp_path / 'toy.py')
    option = {'test_pipeline.7.type': 'x'}
    with pytest.raises(ConfigError, match='--cfg-options'):
        load_config(str(path), option)


def test_options_and_work_dir_reach_the_config(tmp_path):
    path = str(toy_run.dump(toy_run.config(), tmp_path / 'toy.py'))
    arguments = [path, '--cfg-options', 'model.num_iters=1', 'resume=True']
    cfg = run_config(run_parser('').parse_args(arguments))
    assert cfg.model.num_iters == 1 and cfg.resume is True
    assert cfg.work_dir == 'work_dirs/toy' and cfg.launcher == 'none'
    arguments = [path, '--work-dir', 'elsewhere']
    assert run_config(run_parser('').parse_args(arguments)).work_dir == (
        'elsewhere'
    )


def test_wrong_config_writes_nothing(tmp_path):
    cfg = toy_run.config(work_dir=str(tmp_path / 'work'), mdel=1)
    with pytest.raises(ConfigError, match='mdel'):
        build_runner(cfg, ('model',))
    assert not (tmp_path / 'work').exists()


def test_what_only_building_finds_is_a_config_error(tmp_path):
    cfg = toy_run.config(work_dir=str(tmp_path / 'work'))
    cfg.model.backbone = dict(type='mmseg.ResNetV1c')
    with pytest.raises(ConfigError, match='depth'):
        build_runner(cfg, ('model',))


def test_require_file(tmp_path):
    require_file('https://somewhere/x.pth', 'checkpoint')
    with pytest.raises(FileNotFoundError, match='checkpoint .*x.pth does not'):
        require_file(tmp_path / 'x.pth', 'checkpoint')


def test_require_writable(tmp_path, monkeypatch):
    require_writable(tmp_path / 'new' / 'folders' / 'x.json')
    require_writable('x.json')
    (tmp_path / 'file').write_text('')
    require_writable(tmp_path / 'file')
    with pytest.raises(NotADirectoryError, match='file is not a folder'):
        require_writable(tmp_path / 'file' / 'new' / 'x.json')
    with pytest.raises(IsADirectoryError, match='is a folder'):
        require_writable(tmp_path)
    # Permissions do not bind the superuser, who may run this.
    monkeypatch.setattr('os.access', lambda path, mode: False)
    with pytest.raises(PermissionError, match='is not writable'):
        require_writable(tmp_path / 'new' / 'x.json')


def test_one_process_needs_no_group():
    cfg = toy_run.config(launcher='none')
    start_cpu_processes(cfg)
    assert 'model_wrapper_cfg' not in cfg
    assert not torch.distributed.is_initialized()


@pytest.mark.skipif(torch.cuda.is_available(), reason='needs no accelerator')
def test_processes_without_accelerator(monkeypatch):
    started = []
    distributed = sys.modules['torch.distributed']
    monkeypatch.setattr(distributed, 'init_process_group', started.append)
    cfg = toy_run.config(launcher='pytorch', find_unused_parameters=True)
    start_cpu_processes(cfg)
    assert started == ['gloo']
    assert cfg.model_wrapper_cfg.device_ids is None
    assert cfg.model_wrapper_cfg.find_unused_parameters is True
