"""SSync against the official numbers and the closed form of the spec."""

import json
import math

import pytest
import torch

from slotkd.models.losses.loss_terms import LossTerms
from slotkd.models.losses.ssync import ssync_loss
from tests import golden

# Names of our fields in the official arrays.
FIELDS = {
    'slot_map': 'phi',
    'labels_attn': 'enc_labels_merged',
    'labels_masks': 'dec_labels_merged',
    'boundary_mask': 'boundary',
    'interior_mask': 'interior',
}
CASES = (
    'blobs wide many nothing_to_merge counts2 noise3 tau1 tau_low image '
    'chain tie_of_winner2 specks one_label_encoder one_label_in_one_clip '
    'no_interior one_label_both half_visible dead_slot note_vector '
    'note_vector_tau1 note_vector_n_nbd2 note_vector_n_bd2'
).split()


@pytest.fixture(scope='module')
def official(shared):
    facts = shared / 'golden' / 'a' / 'ssync_official.json'
    return (
        golden.load(shared, 'ssync_official'),
        json.loads(facts.read_text())['cases'],
    )


def run_official(official, case):
    """Return our result, the gradients of both parts and the arrays."""
    arrays, facts = official
    fact = facts[case]
    stored = fact['logits_stored_under_case']
    attn, masks = (
        torch.tensor(arrays[f'{stored}__{side}_logits'], requires_grad=True)
        for side in ('enc', 'dec')
    )
    result = ssync_loss(
        attn,
        masks,
        tuple(fact['grid']),
        iou_thr=fact['merge_iou_threshold'],
        n_bd=fact['n_bd'],
        n_nbd=fact['n_nbd'],
        n_agree=fact['n_bd_noise'],
    )
    (result.boundary + result.interior).backward()
    return result, attn.grad, masks.grad, golden.prefixed(arrays, f'{case}__')


@pytest.mark.data
@pytest.mark.parametrize('case', CASES)
def test_official_case(official, case):
    result, grad_attn, grad_masks, arrays = run_official(official, case)
    for ours, theirs in FIELDS.items():
        actual = getattr(result, ours)
        assert torch.equal(actual, arrays[theirs].to(actual).view_as(actual))
    for part in ('boundary', 'interior'):
        loss, expected = getattr(result, part), arrays[f'loss_{part}']
        if expected.isnan():  # an empty set; ours is 0
            assert loss == 0
            assert not getattr(result, f'{part}_mask').any()
        else:
            assert abs(loss - expected) <= 1e-6
    for actual, name in (
        (grad_attn, 'grad_enc_of_interior'),
        (grad_masks, 'grad_dec_of_boundary'),
    ):
        assert (actual - arrays[name]).abs().max() <= 1e-8


def test_every_official_case_is_listed(official):
    assert sorted([*CASES, 'tie_of_winner']) == sorted(official[1])


@pytest.mark.data
def test_tie_of_winner_goes_to_the_lowest_slot(official):
    """Deliberate difference: the official order of the search prefers 2."""
    result, _, _, arrays = run_official(official, 'tie_of_winner')
    groups = result.slot_map[0] == result.slot_map[0][:, None]
    theirs = arrays['phi'][0]
    assert torch.equal(groups, theirs == theirs[:, None])
    assert torch.equal(result.boundary_mask.sum(), arrays['boundary'].sum())
    area = arrays['slot_area'][0]
    for slot, (ours, other) in enumerate(
        zip(result.slot_map[0], theirs, strict=True)
    ):
        best = area[groups[slot]].max()
        assert area[ours] == area[other.long()] == best
        members = groups[slot].nonzero().flatten()
        assert ours == members[area[members] == best].min()
    assert not torch.equal(result.slot_map[0], theirs.long())


@pytest.mark.data
def test_official_network_outputs(shared):
    arrays = golden.load(shared, 'ssync_end_to_end')
    result = ssync_loss(
        torch.tensor(arrays['enc_logits']),
        torch.tensor(arrays['dec_logits']),
        (6, 6),
        iou_thr=0.76,
    )
    for ours, theirs in FIELDS.items():
        actual = getattr(result, ours)
        expected = torch.as_tensor(arrays[theirs])
        assert torch.equal(actual, expected.to(actual).view_as(actual))
    assert abs(result.boundary - float(arrays['loss_grp2deccls'])) <= 1e-6
    assert abs(result.interior - float(arrays['loss_dec2grpcls'])) <= 1e-6


@pytest.mark.data
def test_official_training_step(shared):
    """Four losses, and the gradient of every parameter of the network."""
    arrays = golden.load(shared, 'ssync_end_to_end')
    clip = torch.as_tensor(golden.load(shared, 'slotcontrast_tiny')['clip'])
    model = golden.official_tiny(shared)
    config = dict(
        recon=dict(type='FeatureReconstructionLoss'),
        slot_contrast=dict(type='SlotContrastLoss', loss_weight=0.5),
        ssync=dict(type='SSyncLoss', iou_thr=0.76, begin=30),
    )
    model.losses = LossTerms(config, ('output',))
    output = model(clip)
    before = sum(model.losses(output, step=29).values())
    expected = float(arrays['loss_total_before_switch_on'])
    assert before.item() == pytest.approx(expected, abs=1e-5)

    losses = model.losses(output, step=30)
    losses = {k: v for k, v in losses.items() if k.startswith('loss_')}
    for ours, theirs, weight in (
        ('loss_recon', 'loss_featrec', 1),
        ('loss_slot_contrast', 'loss_ss', 0.5),
        ('loss_ssync_bd', 'loss_grp2deccls', 1),
        ('loss_ssync_nbd', 'loss_dec2grpcls', 1),
    ):
        expected = weight * float(arrays[theirs])
        assert float(losses[ours]) == pytest.approx(expected, abs=1e-5)
    sum(losses.values()).backward()
    parameters = dict(model.named_parameters())
    grads = golden.prefixed(arrays, 'grad__')
    trained = {k for k, p in parameters.items() if p.grad is not None}
    assert len(grads) == len(trained) > 20
    for name, grad in grads.items():
        parameter = parameters[golden.renamed(name, golden.OFFICIAL_NAMES)]
        golden.assert_near(parameter.grad, grad)


def closed_form(dtype=torch.float64):
    """Return the logits of the spec's golden vector, from its formulas."""
    attn = torch.zeros(4, 8, 8, 5, dtype=torch.float64)
    masks = torch.zeros_like(attn)
    for t, y, x in torch.cartesian_prod(*map(torch.arange, (4, 8, 8))):
        t, y, x = int(t), int(y), int(x)
        i = x - 1 - t // 2
        r = ((3 * t + 5 * y + 7 * x) % 11 - 5) / 125
        thing = 0 <= i <= 3 and 2 <= y <= 5
        small = y >= 6 and x >= 6
        attn[t, y, x] = torch.tensor(
            [
                3 - 0.6 * i + r if thing and i <= 2 else -2 - r,
                2.5 if thing else -2 + r,
                -2 if thing or small else 2 + r,
                4 - r if small else -3 + r,
                1.1 + 0.6 * i - r if thing and i >= 1 else -2.5 + r,
            ],
            dtype=torch.float64,
        )
        far = max(abs(i - 1.5) - 1.5, 0) ** 2 + max(abs(y - 3.5) - 1.5, 0) ** 2
        large = math.exp(-far / 1.5)
        far = max(6 - x, 0) ** 2 + max(6 - y, 0) ** 2
        corner = math.exp(-far / 1.5)
        masks[t, y, x] = torch.tensor(
            [
                5 * large - 2 + 0.1 * (1.5 - i),
                5 * large - 2.2 + r,
                0.5 + r,
                6 * corner - 3,
                5 * large - 2.03 - 0.1 * (1.5 - i),
            ],
            dtype=torch.float64,
        )
    for place in ((1, 1, 6), (0, 0, 3)):
        attn[place] = torch.tensor([-2.0, -2, -1, 5, -4]).double()
    return tuple(
        v.permute(0, 3, 1, 2).flatten(2)[None].to(dtype) for v in (attn, masks)
    )


@pytest.fixture(scope='module')
def vector():
    return closed_form()


def test_vector_checksums(vector):
    for logits, total, squares in zip(
        vector,
        (-1391.632, -483.742534),
        (7340.248736, 5058.207795),
        strict=True,
    ):
        assert abs(logits.sum() - total) < 1e-6
        assert abs(logits.square().sum() - squares) < 1e-6


@pytest.mark.parametrize(
    ('options', 'slot_map', 'sizes', 'losses', 'set_iou'),
    [
        ({}, '11231', (159, 72), (0.12022362, 0.08851964), 0.196891),
        (
            dict(border='omit'),
            '11231',
            (158, 72),
            (0.11904888, 0.08851964),
            0.197917,
        ),
        (
            dict(bd_rule='gt'),
            '11231',
            (141, 72),
            (0.13049767, 0.08851964),
            0.189944,
        ),
        (
            dict(n_bd=2),
            '11231',
            (141, 72),
            (0.13049767, 0.08851964),
            0.189944,
        ),
        (
            dict(iou_thr=1.0),
            '01234',
            (175, 40),
            (0.11471368, 0.04345254),
            0.113990,
        ),
        (
            dict(n_nbd=2),
            '11231',
            (159, 110),
            (0.12022362, 0.09005725),
            0.274882,
        ),
    ],
)
def test_vector_table(vector, options, slot_map, sizes, losses, set_iou):
    options = dict(iou_thr=0.7) | options
    # The table prints 8 digits: half a unit of the last one is allowed.
    for dtype, bound in ((torch.float64, 1e-7), (torch.float32, 1e-6)):
        logits = [x.to(dtype) for x in vector]
        result = ssync_loss(*logits, (8, 8), **options)
        summed = ssync_loss(*logits, (8, 8), **options, reduction='sum_slots')
        assert result.boundary.dtype == dtype
        assert ''.join(map(str, result.slot_map[0].tolist())) == slot_map
        assert result.boundary_mask.sum() == sizes[0]
        assert result.interior_mask.sum() == sizes[1]
        for part, loss in zip(('boundary', 'interior'), losses, strict=True):
            assert abs(getattr(result, part) - loss) <= bound
            assert abs(getattr(summed, part) - 5 * loss) <= 5 * bound
        assert abs(result.stats['set_iou'] - set_iou) < 1e-6
        assert result.stats['merged_share'] == (
            0.4 if slot_map == '11231' else 0
        )


def test_vector_overlap_is_a_chain_and_the_sources_agree(vector):
    results = [
        ssync_loss(*vector, (8, 8), iou_thr=0.7, act_source=source)
        for source in ('enc_logit', 'enc_prob')
    ]
    overlap = results[0].overlap[0]
    assert overlap[0, 1] == overlap[1, 4] == 0.75
    assert overlap[0, 4] == 0.5
    assert results[0].boundary == results[1].boundary
    assert torch.equal(results[0].slot_map, results[1].slot_map)


def test_vector_specks(vector):
    """The rim speck of frame 0 is its own neighbour under `edge`."""
    for border, rim in (('edge', True), ('omit', False)):
        result = ssync_loss(*vector, (8, 8), iou_thr=0.7, border=border)
        boundary = result.boundary_mask.unflatten(2, (8, 8))[0]
        assert not boundary[1, 1, 6]
        assert boundary[0, 0, 3] == rim
