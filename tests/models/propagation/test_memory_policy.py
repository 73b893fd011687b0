"""References stay, the ring turns, frames join and are picked."""

import pytest
import torch

from slotkd.models.propagation import (
    MemoryPolicy,
    join_memories,
    pick_frames,
)
from slotkd.structures import MemoryFrames


def frames(*marks, drift=None):
    key = torch.tensor(marks, dtype=torch.float).view(1, -1, 1, 1, 1)
    moved = None
    if drift is not None:
        moved = torch.full((1, len(marks), 1, 1, 2), float(drift))
    return MemoryFrames(key=key, value=10 * key, drift=moved)


def test_the_ring_stores_every_gap_frames():
    policy = MemoryPolicy(gap=5, train_gap=2)
    assert not policy.is_due(4, 0, training=False)
    assert policy.is_due(5, 0, training=False)
    assert policy.is_due(2, 0, training=True)
    assert not policy.is_due(7, 5, training=False)


def test_references_alone_store_nothing():
    policy = MemoryPolicy(policy='ref_prev')
    assert not any(policy.is_due(t, 0, training=t % 2 == 0) for t in range(99))


@pytest.mark.parametrize('references', [1, 2])
def test_the_oldest_of_the_ring_is_dropped(references):
    policy = MemoryPolicy(n_mem=3)
    base = list(range(references))
    assert policy.kept(references + 2, references) == [
        *base,
        references,
        references + 1,
    ]
    assert policy.kept(references + 4, references) == [
        *base,
        references + 1,
        references + 2,
        references + 3,
    ]


def test_join_and_pick():
    joined = join_memories([frames(1, 2), frames(3)])
    assert joined.key.flatten().tolist() == [1, 2, 3]
    picked = pick_frames(joined, [2, 0])
    assert picked.key.flatten().tolist() == [3, 1]
    assert picked.value.flatten().tolist() == [30, 10]
    assert picked.points is None and picked.drift is None


def test_a_new_frame_starts_without_displacement():
    joined = join_memories([frames(1, drift=4), frames(2)])
    assert joined.drift.flatten().tolist() == [4, 4, 0, 0]
    joined = join_memories([frames(2), frames(1, drift=4)])
    assert joined.drift.flatten().tolist() == [0, 0, 4, 4]


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(policy='all'), "policy='all' is not one of"),
        (dict(n_mem=0), 'n_mem must be at least 1, got 0'),
        (dict(gap=0), 'gap must be at least 1'),
        (dict(train_gap=-1), 'train_gap must be at least 1'),
    ],
)
def test_wrong_policies(changes, message):
    with pytest.raises(ValueError, match=message):
        MemoryPolicy(**changes)
