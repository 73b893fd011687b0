"""Feature distillation: optimum, widths, grids, gradient."""

import pytest
import torch

from slotkd.models.losses import FeatureDistillLoss, feature_distill_loss
from tests import tiny


def test_optimum_and_value():
    feats = torch.randn(1, 2, 3, 4, requires_grad=True)
    loss = feature_distill_loss(feats, feats)
    loss.backward()
    assert loss == 0 and not feats.grad.any()
    assert feature_distill_loss(feats + 3, feats).item() == pytest.approx(9)


def test_gradient_reaches_the_student_only():
    student, teacher = torch.randn(
        2, 1, 2, 3, 4, dtype=torch.float64, requires_grad=True
    )
    assert torch.autograd.gradcheck(
        lambda s: feature_distill_loss(s, teacher), student
    )
    loss = feature_distill_loss(student, teacher)
    assert torch.autograd.grad(loss, teacher, allow_unused=True)[0] is None


@pytest.mark.parametrize('source', ['recon', 'tokens', 'feats'])
def test_widths_and_grids_may_differ(source):
    clips = tiny.clips()
    student = tiny.build(tiny.slot_model())(clips)
    backbone = dict(type='PatchPixels', patch_size=8, cells=2)
    config = tiny.slot_model(slot_dim=20, grid=(2, 3), backbone=backbone)
    teacher = tiny.build(config)(clips)
    widths = [getattr(r, source).shape[-1] for r in (student, teacher)]
    loss = FeatureDistillLoss(*widths, source=source)
    value = loss(student, teacher)
    assert value > 0 and value.isfinite()
    assert (widths[0] != widths[1]) == bool(list(loss.parameters()))


def test_a_shuffled_teacher_raises_it():
    feats = torch.randn(1, 2, 6, 4)
    near = feats + 0.1 * torch.randn_like(feats)
    loss = feature_distill_loss(near, feats)
    assert feature_distill_loss(near, feats.flip(2)) > loss


@pytest.mark.parametrize('source', ['recon', 'tokens', 'feats'])
@pytest.mark.parametrize(
    ('side', 'wrong'), [('student', (5, 0)), ('teacher', (0, 5))]
)
def test_refuses_other_widths_than_told(source, side, wrong):
    record = tiny.build(tiny.slot_model())(tiny.clips())
    width = getattr(record, source).shape[-1]
    loss = FeatureDistillLoss(*(w or width for w in wrong), source=source)
    message = f"{side}_dim is 5, but the {side}'s {source} has width {width}"
    with pytest.raises(ValueError, match=f'^{message}$'):
        loss(record, record)


def test_refuses_an_unknown_source():
    with pytest.raises(ValueError, match="source='slots' is not one of"):
        FeatureDistillLoss(4, 4, source='slots')
