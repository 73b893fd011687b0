"""Contrast of tracks: values of a slow loop, anchors, gradients."""

import pytest
import torch
from torch.nn import functional as F

from slotkd.models.losses import QueryContrastLoss, query_contrast_loss
from tests.query_records import boxes, perfect_student


@pytest.fixture
def embeds():
    torch.manual_seed(6)
    return torch.randn(2, 2, 5, 4, dtype=torch.float64)


MATCH = torch.tensor([[[0, 3, -1], [2, 1, 4]], [[1, -1, -1], [-1, 0, -1]]])


def slow(embeds, match) -> torch.Tensor:
    """Loop over every anchor, with all unmatched queries as negatives."""
    values = []
    for b in range(len(embeds)):
        for here, there in ((0, 1), (1, 0)):
            for o in range(match.shape[2]):
                q, k = match[b, here, o], match[b, there, o]
                if q < 0 or k < 0:
                    continue
                v, others = embeds[b, here, q], embeds[b, there]
                products = others @ v
                negative = torch.arange(len(others)) != k
                pull = torch.log(
                    1 + (products[negative] - products[k]).exp().sum()
                )
                cosines = F.cosine_similarity(v[None], others)
                errors = (cosines - (~negative).double()).square()
                values.append(pull + errors.mean())
    return torch.stack(values).mean()


def test_value_of_a_slow_loop(embeds):
    loss = query_contrast_loss(embeds, MATCH)
    torch.testing.assert_close(loss, slow(embeds, MATCH))


def test_optimum():
    """Tracks far apart and equal over frames, all queries matched."""
    embeds = 50 * torch.eye(3).expand(1, 2, 3, 3)
    match = torch.arange(3).expand(1, 2, 3)
    assert query_contrast_loss(embeds, match).item() < 1e-6
    crossed = torch.stack([match[:, 0], match[:, 0].roll(1, -1)], dim=1)
    assert query_contrast_loss(embeds, crossed) > 100


def test_unmatched_queries_are_sampled(embeds):
    none = query_contrast_loss(embeds, MATCH, num_unmatched=0)
    some = query_contrast_loss(embeds, MATCH, num_unmatched=1)
    assert not torch.isclose(none, some)


def test_what_does_not_change_it(embeds):
    loss = query_contrast_loss(embeds, MATCH)
    torch.testing.assert_close(
        query_contrast_loss(embeds.flip(1), MATCH.flip(1)), loss
    )
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(
        query_contrast_loss(embeds, MATCH[..., order]), loss
    )


def test_gradcheck(embeds):
    embeds.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda e: query_contrast_loss(e, MATCH), embeds
    )


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_no_anchor_is_an_exact_zero(dtype):
    embeds = torch.zeros(1, 2, 3, 4, dtype=dtype, requires_grad=True)
    for match in (
        torch.tensor([[[0, -1], [-1, 2]]]),
        torch.zeros(1, 2, 0).long(),
    ):
        loss = query_contrast_loss(embeds, match)
        loss.backward()
        assert loss.item() == 0 and embeds.grad.abs().max() == 0


def test_large_products_stay_finite():
    embeds = torch.full((1, 2, 3, 4), 1e4, requires_grad=True)
    loss = query_contrast_loss(embeds, torch.tensor([[[0, 1], [1, 0]]]))
    loss.backward()
    assert loss.isfinite() and embeds.grad.isfinite().all()


def test_module_trains_the_embedding_that_is_tracked():
    record = perfect_student(boxes([[0, 2], [1]]))
    record.embeds.requires_grad_()
    QueryContrastLoss()(record).backward()
    assert record.embeds.grad.any()


def test_refuses_what_does_not_fit():
    single = perfect_student(boxes([[0]]), picked=(1,))
    with pytest.raises(
        ValueError, match='two frames of a clip or more, got 1'
    ):
        QueryContrastLoss()(single)
    with pytest.raises(ValueError, match='num_unmatched must be 0 .* got -1'):
        QueryContrastLoss(-1)
