"""Every video counts once, however many processes share the work."""

import json

import pytest
import torch
from mmengine.dataset import DefaultSampler
from mmengine.registry import DefaultScope
from torch import distributed, multiprocessing

from slotkd.registry import METRICS

NUM_VIDEOS = 7


def _sample(index):
    torch.manual_seed(index)
    return dict(
        video_id=str(index),
        gt_masks=torch.randint(0, 4, (3, 8, 8)),
        pred_masks=torch.randint(0, 5, (3, 8, 8)),
    )


def _evaluate(round_up):
    metric = METRICS.build(
        dict(type='ObjectDiscoveryMetric', subsets=dict(first3=3))
    )
    sampler = DefaultSampler(
        range(NUM_VIDEOS), shuffle=False, seed=0, round_up=round_up
    )
    for index in sampler:
        metric.process(None, [_sample(index)])
    return metric.evaluate(NUM_VIDEOS)


def _work(rank, world, folder):
    distributed.init_process_group(
        'gloo', f'file://{folder}/store', rank=rank, world_size=world
    )
    DefaultScope.get_instance('worker', scope_name='slotkd')
    results = [_evaluate(round_up) for round_up in (True, False)]
    if rank == 0:
        (folder / 'results.json').write_text(json.dumps(results))
    distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_agree_with_one(tmp_path):
    multiprocessing.spawn(_work, (2, tmp_path), nprocs=2)
    results = json.loads((tmp_path / 'results.json').read_text())
    expected = _evaluate(round_up=False)
    assert results == [pytest.approx(expected), pytest.approx(expected)]
