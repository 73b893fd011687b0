"""Options of the command line that nothing would read are errors."""

import pytest
from mmengine.config import Config

from slotkd.engine import ConfigError, check_options
from tests import toy_run


def test_options_must_meet_a_reader(tmp_path):
    cfg = Config.fromfile(
        toy_run.dump(toy_run.config(data_root='x'), tmp_path / 'toy.py')
    )
    good = {'model.new': 1, 'load_from': 'z', 'resume': True, 'data_root': 1}
    check_options(cfg, good)
    with pytest.raises(ConfigError, match='use train_cfg.max_iters'):
        check_options(cfg, {'max_iters': 3})
    with pytest.raises(ConfigError, match="did you mean 'train_cfg'"):
        check_options(cfg, {'train_cgf.max_iters': 3})


def test_options_on_variables_come_too_late(tmp_path):
    path = tmp_path / 'toy.py'
    path.write_text(
        "size = 3\nother = 4\ntest_pipeline = [dict(type='X', size=size)]\n"
        'val_dataloader = dict(dataset=dict(pipeline=test_pipeline))\n'
    )
    cfg = Config.fromfile(path)
    check_options(cfg, {'other': 5, 'test_pipeline.0.size': 5})
    told = r"too late to change 'size'.* val_dataloader\.dataset\.pipeline\.0"
    with pytest.raises(ConfigError, match=told):
        check_options(cfg, {'size': 5})
