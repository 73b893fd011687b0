"""Groups of frames: order of tokens, unit rows, sums by label."""

import torch

from slotkd.models.losses.srl_groups import (
    group_labels,
    label_sums,
    unit_groups,
)


def test_groups_hold_consecutive_frames_token_by_token():
    tokens = torch.randn(2, 4, 3, 5)
    maps = torch.randn(2, 4, 6, 3)
    groups, labels = unit_groups(tokens, 2), group_labels(maps, 2)
    assert groups.shape == (4, 6, 5)
    for clip in range(2):
        for frame in range(4):
            rows = slice(frame % 2 * 3, frame % 2 * 3 + 3)
            group = 2 * clip + frame // 2
            expected = tokens[clip, frame]
            expected = expected / expected.norm(dim=1, keepdim=True)
            torch.testing.assert_close(groups[group, rows], expected)
            assert torch.equal(
                labels[group, rows], maps[clip, frame].argmax(0)
            )


def test_sums_and_counts_of_equal_labels():
    keys = torch.randn(2, 8, 3)
    labels = torch.randint(0, 3, (2, 8))
    sums, counts = label_sums(keys, labels, 5)
    for group in range(2):
        for token in range(8):
            alike = labels[group] == labels[group, token]
            assert counts[group, token] == alike.sum()
            torch.testing.assert_close(
                sums[group, token], keys[group][alike].sum(0)
            )
