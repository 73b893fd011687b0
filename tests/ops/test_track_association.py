"""Kept identities and cosines of a hand-made video."""

import pytest
import torch

from slotkd.ops.track_association import COUNTS, association_counts


def test_a_hand_case():
    query = torch.tensor([[0, 1], [1, -1], [0, 0], [-1, 1]])
    ids = torch.tensor([[5, 6], [7, 5], [5, 6], [8, 6]])
    embeds = torch.tensor([[[1.0, 0], [0, 1]]]).expand(4, -1, -1)
    found = association_counts(query, ids, embeds)
    # Object 0: 5, 5, 5. Object 1: 6, absent, 5, 6.
    assert (found['kept'], found['links']) == (2, 4)
    assert (found['kept_after_gap'], found['gaps']) == (0, 1)
    # Object 0 has the embeddings 0, 1, 0; object 1 has 1, 0, 1.
    assert found['same_pairs'] == 12
    assert found['same_cosine'] == pytest.approx(4)
    assert found['different_pairs'] == 14
    assert found['different_cosine'] == pytest.approx(6)


def test_an_untracked_query_keeps_nothing():
    query, ids = torch.zeros(3, 1).long(), torch.full((3, 2), -1)
    found = association_counts(query, ids, torch.ones(3, 2, 4))
    assert (found['kept'], found['links']) == (0, 2)


def test_a_video_without_objects():
    found = association_counts(
        torch.zeros(3, 0).long(), torch.zeros(3, 2).long(), torch.ones(3, 2, 4)
    )
    assert found == dict.fromkeys(COUNTS, 0)
