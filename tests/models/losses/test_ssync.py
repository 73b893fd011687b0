"""What SSync promises: gradients, sets, numerics, cost, configuration."""

import inspect

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from slotkd.models.losses.loss_terms import LossTerms
from slotkd.models.losses.ssync import SSyncLoss, ssync_loss
from slotkd.models.losses.ssync_sets import low_entropy_tokens
from slotkd.structures import SlotOutput
from tests import tiny


def random_logits(shape=(2, 3, 5, 24), dtype=torch.float32):
    """Return two maps of the same smooth layout, so that no set is empty."""
    b, t, k, n = shape
    base = 3 * torch.randn(b, 1, k, n // 6).repeat_interleave(6, dim=3)
    return tuple(
        (base + torch.randn(shape)).to(dtype).requires_grad_()
        for _ in range(2)
    )


GRID = (4, 6)


def test_permuted_slots_permute_the_map_and_keep_the_losses():
    logits = random_logits(dtype=torch.float64)
    order = torch.randperm(5)
    plain = ssync_loss(*logits, GRID, iou_thr=0.4)
    moved = ssync_loss(*(x[:, :, order] for x in logits), GRID, iou_thr=0.4)
    assert plain.stats['merged_share'] > 0
    assert torch.equal(order[moved.slot_map], plain.slot_map[:, order])
    assert torch.equal(order[moved.labels_attn], plain.labels_attn)
    for part in ('boundary', 'interior'):
        torch.testing.assert_close(getattr(moved, part), getattr(plain, part))


def test_threshold_of_one_is_identity_and_below_zero_one_component():
    logits = random_logits()
    result = ssync_loss(*logits, GRID, iou_thr=1.0)
    assert torch.equal(result.slot_map, torch.arange(5).expand(2, 5))
    result = ssync_loss(*logits, GRID, iou_thr=-0.1)
    assert (result.slot_map == result.slot_map[:, :1]).all()
    assert result.boundary == 0
    assert result.interior_mask.all()


@pytest.mark.parametrize('reversed_roles', [False, True])
def test_each_part_reaches_one_map_only(reversed_roles):
    attn, masks = random_logits()
    result = ssync_loss(
        attn, masks, GRID, iou_thr=0.5, reversed_roles=reversed_roles
    )
    learners = (attn, masks) if reversed_roles else (masks, attn)
    for part, learner in zip(
        (result.boundary, result.interior), learners, strict=True
    ):
        others = torch.autograd.grad(
            part, (attn, masks), allow_unused=True, retain_graph=True
        )
        for logits, grad in zip((attn, masks), others, strict=True):
            assert (grad is not None) == (logits is learner)
            if grad is not None:
                assert grad.abs().sum() > 0
    for name in ('labels_attn', 'boundary_mask', 'slot_map', 'overlap'):
        assert not getattr(result, name).requires_grad
    assert not any(v.requires_grad for v in result.stats.values())


def test_gradient_is_the_analytic_one():
    attn, masks = random_logits(dtype=torch.float64)
    result = ssync_loss(attn, masks, GRID, iou_thr=0.5)
    result.boundary.backward()
    p = masks.detach().softmax(2)
    y = nn.functional.one_hot(result.labels_attn, 5).transpose(2, 3)
    apart = p - y
    pull = apart - (p * apart).sum(2, keepdim=True)
    chosen = result.boundary_mask
    expected = 2 / (5 * chosen.sum()) * p * pull * chosen[:, :, None]
    assert (masks.grad - expected).abs().max() < 1e-10


@pytest.mark.parametrize('targets', ['hard', 'soft'])
def test_gradcheck(targets):
    attn, masks = random_logits((1, 2, 3, 12), torch.float64)

    options = dict(grid=(2, 6), iou_thr=0.5, targets=targets)

    def boundary(logits):
        return ssync_loss(attn.detach(), logits, **options).boundary

    def interior(logits):
        return ssync_loss(logits, masks.detach(), **options).interior

    # A small step, so that it flips no label.
    assert torch.autograd.gradcheck(boundary, masks, eps=1e-7)
    assert torch.autograd.gradcheck(interior, attn, eps=1e-7)


def test_confident_errors_saturate():
    """Squared error on probabilities: numbers of the spec, section 6.2."""
    for lead, expected, digit in (
        (2, 0.39, 0.01),
        (5, 0.051, 0.001),
        (10, 0.0004, 0.0001),
    ):
        attn = torch.zeros(1, 1, 4, 2, dtype=torch.float64)
        attn[0, 0, 0, 0] = attn[0, 0, 1, 1] = 9.0
        masks = torch.zeros_like(attn)
        masks[0, 0, 2] = lead
        masks.requires_grad_()
        result = ssync_loss(
            attn,
            masks,
            (1, 2),
            iou_thr=1.0,
            reduction='sum_slots',
        )
        result.boundary.backward()
        largest = 2 * masks.grad.abs().max()  # two tokens share the mean
        assert float(largest) == pytest.approx(expected, abs=digit / 2)


def test_equal_labels_give_an_exact_connected_zero():
    attn, masks = random_logits()
    with torch.no_grad():
        attn[:, :, 2] += 100
    result = ssync_loss(attn, masks, GRID, iou_thr=1.0)
    assert result.boundary == 0
    (result.boundary + result.interior).backward()
    assert (masks.grad == 0).all()
    assert attn.grad.isfinite().all()


def test_no_interior_gives_an_exact_connected_zero():
    attn, _ = random_logits()
    masks = torch.zeros(2, 3, 5, 24)
    masks[:, :, 0, ::2] = masks[:, :, 1, 1::2] = 9
    masks.requires_grad_()
    result = ssync_loss(attn, masks, GRID, iou_thr=1.0)
    assert not result.interior_mask.any()
    assert result.interior == 0
    result.interior.backward()
    assert (attn.grad == 0).all()


def test_autocast_changes_nothing():
    logits = random_logits((2, 3, 5, 24))
    plain = ssync_loss(*logits, GRID, iou_thr=0.5)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        cast = ssync_loss(*logits, GRID, iou_thr=0.5)
    names = 'labels_attn labels_masks boundary_mask interior_mask slot_map'
    for name in (*names.split(), 'boundary', 'interior', 'overlap'):
        assert torch.equal(getattr(plain, name), getattr(cast, name))
    assert cast.boundary.dtype == torch.float32


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_logits_are_counted_in_full(dtype):
    logits = [x.detach().to(dtype) for x in random_logits()]
    half = [x.clone().requires_grad_() for x in logits]
    result = ssync_loss(*half, GRID, iou_thr=0.5)
    full = ssync_loss(*(x.float() for x in logits), GRID, iou_thr=0.5)
    assert torch.equal(result.boundary, full.boundary)
    assert torch.equal(result.overlap, full.overlap)
    result.boundary.backward()
    assert half[1].grad.dtype == dtype
    assert half[1].grad.isfinite().all()


class LargestTensor(TorchDispatchMode):
    """Records the elements of the largest tensor that any op makes."""

    def __init__(self):
        super().__init__()
        self.largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.largest = max(self.largest, result.numel())
        return result


def test_no_tensor_outgrows_the_maps():
    largest = []
    for frames in (8, 16):
        logits = random_logits((1, frames, 8, 72))
        with LargestTensor() as made:
            result = ssync_loss(*logits, (6, 12), iou_thr=0.5)
            (result.boundary + result.interior).backward()
        assert made.largest <= logits[0].numel()
        largest.append(made.largest)
    assert largest[1] == 2 * largest[0]


def test_a_slot_not_in_use_is_as_if_it_were_not_there():
    attn, masks = random_logits((2, 3, 4, 24), torch.float64)
    options = dict(iou_thr=0.4, reduction='sum_slots')
    plain = ssync_loss(attn, masks, GRID, **options)
    absent = torch.full((2, 3, 1, 24), -torch.inf, dtype=torch.float64)
    more = ssync_loss(
        *(torch.cat((x, absent), 2) for x in (attn, masks)), GRID, **options
    )
    for part in ('boundary', 'interior'):
        torch.testing.assert_close(getattr(more, part), getattr(plain, part))
    assert torch.equal(more.slot_map[:, :4], plain.slot_map)
    assert (more.slot_map[:, 4] == 4).all()
    (more.boundary + more.interior).backward()
    assert attn.grad.isfinite().all()
    assert masks.grad.isfinite().all()


def test_one_frame_of_one_slot():
    logits = torch.randn(2, 2, 1, 1, 6)
    result = ssync_loss(*logits, (2, 3), iou_thr=0.9)
    assert result.boundary == result.interior == 0
    assert result.interior_mask.all()


def test_clips_are_merged_apart_and_pooled():
    logits = random_logits((2, 3, 5, 24), torch.float64)
    both = ssync_loss(*logits, GRID, iou_thr=0.5)
    singles = [
        ssync_loss(*(x[i : i + 1] for x in logits), GRID, iou_thr=0.5)
        for i in range(2)
    ]
    maps = torch.cat([s.slot_map for s in singles])
    assert torch.equal(both.slot_map, maps)
    counts = torch.stack([s.boundary_mask.sum() for s in singles])
    values = torch.stack([s.boundary for s in singles])
    pooled = (counts * values).sum() / counts.sum()
    torch.testing.assert_close(both.boundary, pooled)


def test_reversed_roles_swap_the_maps():
    attn, masks = random_logits()
    options = dict(iou_thr=0.5, merge='none')
    swapped = ssync_loss(masks, attn, GRID, **options)
    result = ssync_loss(attn, masks, GRID, **options, reversed_roles=True)
    assert torch.equal(result.boundary, swapped.boundary)
    assert torch.equal(result.interior, swapped.interior)
    assert torch.equal(result.boundary_mask, swapped.boundary_mask)
    assert torch.equal(result.labels_attn, swapped.labels_masks)


def test_soft_targets_sum_the_members():
    attn, masks = random_logits(dtype=torch.float64)
    options = dict(iou_thr=0.4, targets='soft')
    result = ssync_loss(attn, masks, GRID, **options)
    assert result.stats['merged_share'] > 0
    chosen = result.boundary_mask
    target = torch.zeros_like(attn)
    for clip, slot_map in enumerate(result.slot_map):
        for slot, winner in enumerate(slot_map):
            target[clip, :, winner] += attn.softmax(2)[clip, :, slot]
    error = (masks.softmax(2) - target).square().mean(2)
    torch.testing.assert_close(result.boundary, error[chosen].mean())


def test_soft_selection_of_sure_maps_is_the_count():
    sure = [1e3 * x for x in random_logits()]
    hard = ssync_loss(*sure, GRID, iou_thr=0.5)
    soft = ssync_loss(*sure, GRID, iou_thr=0.5, selection='soft')
    assert torch.equal(soft.boundary_mask, hard.boundary_mask)
    assert torch.equal(soft.interior_mask, hard.interior_mask)


def test_entropy_selects_where_each_map_is_sure():
    attn, masks = random_logits()
    result = ssync_loss(
        attn, masks, GRID, iou_thr=0.5, selection='entropy', entropy_share=0.2
    )
    for logits, chosen in (
        (attn, result.boundary_mask),
        (masks, result.interior_mask),
    ):
        assert torch.equal(chosen, low_entropy_tokens(logits.softmax(2), 0.2))
        assert chosen.any()


def test_swapped_tokens_can_be_dropped():
    attn, masks = random_logits()
    options = dict(iou_thr=1.0, n_nbd=4)
    keep = ssync_loss(attn, masks, GRID, **options)
    differ = keep.labels_attn != keep.labels_masks
    swap = keep.boundary_mask & keep.interior_mask & differ
    assert swap.any()
    drop = ssync_loss(attn, masks, GRID, **options, swaps='drop')
    assert torch.equal(drop.boundary_mask, keep.boundary_mask & ~swap)
    assert torch.equal(drop.interior_mask, keep.interior_mask & ~swap)


def test_log_probabilities_stand_in_for_logits():
    attn, masks = random_logits(dtype=torch.float64)
    result = ssync_loss(attn, masks, GRID, iou_thr=0.5)
    other = ssync_loss(attn, masks.log_softmax(2), GRID, iou_thr=0.5)
    torch.testing.assert_close(result.boundary, other.boundary)
    assert torch.equal(result.interior_mask, other.interior_mask)


def test_learning_alone_brings_the_maps_together():
    """Free logits of a striped scene: agreement up, fragments down."""
    truth = torch.arange(12).div(4, rounding_mode='floor').repeat(12)
    base = 2 * nn.functional.one_hot(truth, 3).T.float()
    attn, masks = (
        (base + 1.2 * torch.randn(1, 2, 3, 144)).requires_grad_()
        for _ in range(2)
    )
    optimizer = torch.optim.Adam((attn, masks), lr=0.05)
    results = []
    for _ in range(60):
        result = ssync_loss(attn, masks, (12, 12), iou_thr=1.0)
        results.append(result)
        optimizer.zero_grad()
        (result.boundary + result.interior).backward()
        optimizer.step()
    before, after = results[0], results[-1]
    assert after.stats['agreement'] > before.stats['agreement'] + 0.05
    assert after.stats['interior_share'] > before.stats['interior_share']


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(grid=(5, 6)), r'grid \(5, 6\) does not hold the 24 tokens'),
        (dict(merge='all'), "merge='all'"),
        (dict(border='wrap'), "border='wrap'"),
        (dict(bd_rule='>='), "bd_rule='>='"),
        (dict(selection='best'), "selection='best'"),
        (dict(swaps='no'), "swaps='no'"),
        (dict(targets='mixed'), "targets='mixed'"),
        (dict(reduction='mean'), "reduction='mean'.*'mean_all'"),
        (dict(act_source='attn'), "act_source='attn'"),
        (dict(empty_frame='nan'), "empty_frame='nan'"),
    ],
)
def test_wrong_options(change, message):
    options = dict(grid=GRID, iou_thr=0.5) | change
    with pytest.raises(ValueError, match=message):
        ssync_loss(*random_logits(), options.pop('grid'), **options)


def test_maps_of_different_shape():
    unchecked = inspect.unwrap(ssync_loss)
    attn, masks = torch.zeros(1, 2, 3, 4), torch.zeros(1, 2, 3, 9)
    message = r'\(1, 2, 3, 4\) and mask_logits of shape \(1, 2, 3, 9\)'
    with pytest.raises(ValueError, match=message):
        unchecked(attn, masks, (2, 2), iou_thr=0.5)


def record(attn, masks):
    b, t, k, n = attn.shape
    return SlotOutput(
        slots=torch.zeros(b, t, k, 2),
        slots_init=torch.zeros(b, k, 2),
        attn_logits=attn,
        mask_logits=masks,
        feats=torch.zeros(b, t, n, 3),
        tokens=torch.zeros(b, t, n, 2),
        grid=GRID,
    )


def test_module_takes_every_option_of_the_function():
    function = inspect.signature(ssync_loss).parameters
    module = inspect.signature(SSyncLoss.__init__).parameters
    options = {k: p.default for k, p in list(function.items())[3:]}
    own = {k: p.default for k, p in list(module.items())[1:]}
    assert own.pop('terms') == ('bd', 'nbd')
    assert options == own
    other = dict(
        iou_thr=0.4,
        act_source='dec_logit',
        act_threshold=0.3,
        merge='pairwise',
        empty_frame='skip',
        instance_guard=True,
        border='omit',
        temporal=False,
        bd_rule='gt',
        n_bd=2,
        n_agree=2,
        n_nbd=3,
        selection='soft',
        entropy_share=0.5,
        swaps='drop',
        targets='soft',
        reversed_roles=True,
        reduction='sum_slots',
    )
    assert other.keys() == options.keys()
    assert all(other[k] != options[k] for k in options)
    assert SSyncLoss(**other).loss.keywords == other


def test_a_misspelt_option_is_found_at_build():
    with pytest.raises(ValueError, match="merge='transitve'"):
        SSyncLoss(iou_thr=0.7, merge='transitve')


def test_terms_are_logged_apart_and_exactly_zero_before_begin():
    terms = LossTerms(
        dict(ssync=dict(type='SSyncLoss', iou_thr=0.5, begin=30)), ('output',)
    )
    logits = random_logits()
    output = record(*logits)
    before = terms(output, step=29)
    assert before == {'loss_ssync_bd': 0, 'loss_ssync_nbd': 0}
    sum(before.values()).backward()
    assert not any(x.grad.any() for x in logits)
    after = terms(output, step=30)
    result = ssync_loss(
        output.attn_logits, output.mask_logits, GRID, iou_thr=0.5
    )
    assert torch.equal(after['loss_ssync_bd'], result.boundary)
    assert torch.equal(after['loss_ssync_nbd'], result.interior)
    logged = {k for k in after if 'loss' in k}
    assert logged == {'loss_ssync_bd', 'loss_ssync_nbd'}
    for name, value in result.stats.items():
        assert torch.equal(after[f'ssync_{name}'], value)


def test_module_needs_the_decoder():
    with pytest.raises(ValueError, match='mask_logits is None'):
        SSyncLoss(iou_thr=0.5)(record(random_logits()[0], None))


DECODERS = {
    'mlp': {},
    'mixer': dict(
        decoder=dict(
            type='SlotMixerDecoder', slot_dim=16, feat_dim=12, grid=(4, 6)
        )
    ),
    'invariant': dict(
        corrector=dict(
            type='InvariantSlotAttention', slot_dim=16, token_dim=16
        ),
        decoder=dict(type='SlotRelativeDecoder', slot_dim=16, feat_dim=12),
    ),
}


@pytest.mark.parametrize('frames', [1, 3])
@pytest.mark.parametrize('parts', DECODERS.values(), ids=DECODERS)
def test_trains_every_slot_model_by_config_alone(parts, frames):
    config = tiny.slot_model(
        losses=dict(
            recon=dict(type='FeatureReconstructionLoss'),
            slot_contrast=dict(type='SlotContrastLoss', loss_weight=0.5),
            ssync=dict(type='SSyncLoss', iou_thr=0.9),
        ),
        **parts,
    )
    model = tiny.build(config)
    losses = model(tiny.clips(frames=frames), mode='loss')
    assert (losses['loss_slot_contrast'] == 0) == (frames == 1)
    total = sum(v for k, v in losses.items() if 'loss' in k)
    total.backward()
    trained = [p for p in model.parameters() if p.requires_grad]
    assert all(p.grad.isfinite().all() for p in trained if p.grad is not None)
    assert model.corrector.to_q.weight.grad.abs().sum() > 0


@pytest.mark.usefixtures('process_group')
def test_works_under_ddp_with_empty_sets():
    """Two steps on equal labels: every parameter still gets a gradient."""

    class Maps(nn.Module):
        def __init__(self):
            super().__init__()
            self.attn = nn.Parameter(torch.randn(1, 2, 3, 24))
            self.masks = nn.Parameter(torch.randn(1, 2, 3, 24))

        def forward(self, lead):
            result = ssync_loss(
                self.attn + lead, self.masks, GRID, iou_thr=1.0
            )
            return result.boundary + result.interior

    model = nn.parallel.DistributedDataParallel(Maps())
    lead = torch.tensor([99.0, 0, 0]).view(3, 1)
    for _ in range(2):
        model(lead).backward()
    assert (model.module.masks.grad == 0).all()


def test_terms_can_be_trained_alone():
    output = record(*random_logits())
    whole = SSyncLoss(iou_thr=0.7)(output)
    for part in ('bd', 'nbd'):
        loss = SSyncLoss(iou_thr=0.7, terms=(part,))
        result = loss(output)
        assert loss.parts == (part,)
        assert {'bd', 'nbd'} & set(result) == {part}
        torch.testing.assert_close(result[part], whole[part])
    with pytest.raises(ValueError, match=r"'nbd' or both, got \(\)"):
        SSyncLoss(iou_thr=0.7, terms=())
