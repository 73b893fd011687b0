"""The scalars that SSync logs, from a case counted by hand."""

import pytest
import torch

from slotkd.models.losses.ssync_result import ssync_stats


def flags(text):
    return torch.tensor([c == '1' for c in text]).view(1, 2, 4)


def test_scalars_of_a_case_counted_by_hand():
    overlap = torch.tensor([[1.0, 0.8, 0.1], [0.8, 1.0, 0.3], [0.1, 0.3, 1]])
    stats = ssync_stats(
        equal=flags('11111100'),
        boundary_mask=flags('11100000'),
        interior_mask=flags('00111100'),
        slot_map=torch.tensor([[1, 1, 2]]),
        overlap=overlap[None],
    )
    assert {k: float(v) for k, v in stats.items()} == pytest.approx(
        dict(
            boundary_share=3 / 8,
            interior_share=4 / 8,
            set_iou=1 / 6,
            merged_share=1 / 3,
            top_iou=0.8,
            agreement=6 / 8,
        )
    )


def test_two_empty_sets_have_no_overlap():
    none = flags('00000000')
    stats = ssync_stats(
        equal=none,
        boundary_mask=none,
        interior_mask=none,
        slot_map=torch.zeros(1, 1, dtype=torch.long),
        overlap=torch.ones(1, 1, 1),
    )
    assert all(v == 0 for v in stats.values())
