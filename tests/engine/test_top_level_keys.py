"""Top-level keys that nothing reads are found, pieces are free."""

import pytest

from slotkd.engine.top_level_keys import check_top_level
from tests import toy_run


@pytest.mark.parametrize(
    ('option', 'told'),
    [
        ('optim_wraper', "unknown key 'optim_wraper'; did you mean 'optim_wr"),
        ('train_dataloder', "did you mean 'train_dataloader'?"),
        ('modle', "did you mean 'model'?"),
        ('lr_config', "nothing reads 'lr_config'; use param_scheduler"),
        ('seed', "nothing reads 'seed'; use randomness.seed"),
        ('max_iters', "nothing reads 'max_iters'; use train_cfg.max_iters"),
        ('total_epochs', 'use train_cfg.max_epochs'),
        ('val_interval', 'use train_cfg.val_interval'),
        ('test_pipline', "did you mean 'test_pipeline'?"),
        ('train_pipelines', "did you mean 'train_pipeline'?"),
    ],
)
def test_top_level_keys(option, told):
    (problem,) = check_top_level(toy_run.config(**{option: 99}))
    assert told in problem


@pytest.mark.parametrize(
    'option',
    [
        'val_pipeline',
        'tta_pipeline',
        'test_pipeline_strong',
        'data_root',
        'train_dataset',
        'crop_size',
        'slot_dino',
    ],
)
def test_names_of_pieces_are_free(option):
    assert not list(check_top_level(toy_run.config(**{option: dict(a=1)})))


def test_pieces_that_reach_their_place_pass():
    cfg = toy_run.config(max_iters=8, seed=1)
    assert (cfg.train_cfg.max_iters, cfg.randomness.seed) == (8, 1)
    assert not list(check_top_level(cfg))
    cfg.max_iters = 9
    (problem,) = check_top_level(cfg)
    assert 'use train_cfg.max_iters' in problem
