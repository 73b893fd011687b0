"""The table of mmseg's models: what is tried, and how it is told."""

import importlib.util
import time
from pathlib import Path

import pytest
from mmengine.config import Config

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'mmseg_model_table.py'


@pytest.fixture(scope='module')
def tool():
    """Import the script."""
    spec = importlib.util.spec_from_file_location('mmseg_model_table', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def trial(tool, outcome, family='fcn'):
    return tool.Trial(family, 'config', 'A + B', outcome)


def test_configs_with_the_same_parts_count_once(tool):
    found = list(tool.distinct_models('fcn'))
    assert [parts for _, parts, _ in found] == [
        'EncoderDecoder + ResNetV1c + FCNHead',
        'EncoderDecoder + ResNet + FCNHead',
    ]
    assert {'fcn', 'psanet', 'segformer'} <= set(tool.families())


def test_a_config_that_cannot_be_read_is_a_result(tool, monkeypatch):
    def fail(path):
        raise ImportError('No module named x') from ImportError('inner')

    monkeypatch.setattr(tool.Config, 'fromfile', fail)
    ((_, parts, outcome),) = tool.distinct_models('fcn')
    assert (parts, outcome) == ('cannot be read', 'ImportError: inner')
    assert tool.outcome_of(outcome, 8, 1) == outcome


def test_models_are_made_small(tool):
    cfg = Config(
        dict(
            model=dict(
                type='EncoderDecoder',
                pretrained='open-mmlab://x',
                data_preprocessor=dict(size=(512, 1024)),
                backbone=dict(
                    norm_cfg=dict(type='SyncBN'),
                    init_cfg=dict(type='Pretrained', checkpoint='x.pth'),
                ),
                test_cfg=dict(mode='slide', stride=(1, 1)),
            )
        )
    )
    small = tool.make_small(cfg, 64)
    assert small['pretrained'] is None
    assert small['backbone']['init_cfg'] is None
    assert small['backbone']['norm_cfg']['type'] == 'BN'
    assert small['data_preprocessor']['size'] == (64, 64)
    assert small['test_cfg']['mode'] == 'whole'


@pytest.mark.parametrize(
    ('fate', 'told'),
    [
        (lambda *_: None, 'trains and predicts'),
        (lambda *_: 1 / 0, 'ZeroDivisionError: division by zero'),
        (lambda *_: exec('while True: pass'), 'no result in 1 s of processor'),
        (lambda *_: exec('import os; os._exit(3)'), 'ended with code 3'),
    ],
)
def test_a_model_cannot_take_the_tool_down(tool, monkeypatch, fate, told):
    monkeypatch.setattr(tool, 'try_model', fate)
    started = time.process_time()
    cfg = Config(dict(model=dict(type='X')))
    assert told in tool.outcome_of(cfg, 8, 1)
    assert time.process_time() - started < 1


def test_rows_say_how_many_work_and_why_others_do_not(tool):
    good, bad = trial(tool, tool.TRAINS), trial(tool, 'Error: a | b')
    assert tool.row([good, bad]) == ('| fcn | 1 of 2 | A + B: Error: a / b |')
    text = tool.table([[good, bad], [trial(tool, tool.TRAINS, 'ann')]])
    assert '2 of 3 distinct models train and predict' in text
    assert '| ann | 1 of 1 |  |' in text


def test_unknown_families_are_named(tool):
    with pytest.raises(SystemExit, match='no such family: fnc'):
        tool.main(['fnc'])


@pytest.mark.slow
def test_what_runs_and_what_needs_operations(tool, capsys):
    tool.main(['segformer', 'psanet', '--size', '64'])
    text = capsys.readouterr().out
    assert '| segformer | 1 of 1 |  |' in text
    if ', lite mmcv,' in text:
        assert "mmcv op 'psamask_forward' needs the compiled" in text
