"""Overlap and merging of slots against union-find and loops."""

import pytest
import torch

from slotkd.ops.slot_merging import (
    active_tokens,
    apply_slot_map,
    merge_maps,
    merge_slots,
    merge_slots_by_frame,
    slot_overlap,
    transitive_closure,
)


def union_find_groups(edges):
    parent = list(range(len(edges)))

    def root(node):
        while parent[node] != node:
            node = parent[node]
        return node

    for j in range(len(edges)):
        for k in range(len(edges)):
            if edges[j][k]:
                parent[root(j)] = root(k)
    return [
        [root(j) == root(k) for k in range(len(edges))]
        for j in range(len(edges))
    ]


@pytest.mark.parametrize('num_nodes', [1, 2, 5, 11, 17])
def test_closure_equals_union_find(num_nodes):
    upper = (torch.rand(30, num_nodes, num_nodes) < 1 / num_nodes).triu(1)
    edges = upper | upper.transpose(1, 2)
    expected = torch.tensor([union_find_groups(e.tolist()) for e in edges])
    assert torch.equal(transitive_closure(edges), expected)


def test_closure_follows_the_longest_chain():
    chain = torch.eye(33, dtype=torch.bool).roll(1, dims=1)[None].clone()
    chain[0, -1, 0] = False
    assert transitive_closure(chain).all()


def toy(lead):
    """Two slots that share one object; `lead` splits it between them."""
    logits = torch.full((1, 4, 3, 8, 8), -2.0)
    logits[:, :, 2] = 2
    logits[:, :, 2, 2:6, 2:6] = -2
    logits[:, :, :2, 2:6, 2:6] = 2
    logits[:, :, 0, 2:6, 2:4] += lead
    logits[:, :, 1, 2:6, 4:6] += lead
    return logits.flatten(3)


def test_toy_logits_see_the_fragments_where_probabilities_do_not():
    for lead, from_probs in ((1, 1.0), (4, 0.0)):
        for source, expected in (('enc_logit', 1.0), ('enc_prob', from_probs)):
            overlap = slot_overlap(toy(lead), act_source=source)
            assert overlap[0, 0, 1] == expected


def test_overlap_equals_a_loop_over_frames():
    logits = torch.randn(2, 3, 4, 10)
    active = logits > logits.mean((1, 3), keepdim=True)
    expected = torch.zeros(2, 4, 4)
    for b in range(2):
        for j in range(4):
            for k in range(4):
                pairs = [(active[b, t, j], active[b, t, k]) for t in range(3)]
                expected[b, j, k] = sum(
                    (x & y).sum() / (x | y).sum().clamp(min=1)
                    for x, y in pairs
                ) / len(pairs)
    torch.testing.assert_close(slot_overlap(logits), expected)


def test_frames_without_either_slot_count_as_zero_or_are_skipped():
    logits = toy(1)
    logits[:, 2:, :2] = -2
    assert slot_overlap(logits)[0, 0, 1] == 0.5
    skipped = slot_overlap(logits, empty_frame='skip')
    assert skipped[0, 0, 1] == 1
    assert skipped[0, 0, 2] == 0


def test_sources_join_or_average_both_maps():
    attn, masks = torch.randn(2, 2, 3, 4, 20)
    of_attn = slot_overlap(attn)
    of_masks = slot_overlap(masks)
    for source, expected in {
        'dec_logit': of_masks,
        'or': torch.maximum(of_attn, of_masks),
        'and': torch.minimum(of_attn, of_masks),
        'avg': (of_attn + of_masks) / 2,
    }.items():
        actual = slot_overlap(attn, masks, act_source=source)
        torch.testing.assert_close(actual, expected)


def test_share_of_active_tokens():
    logits = torch.randn(2, 4, 5, 25)
    active = active_tokens(logits, 0.3)
    assert (active.sum((1, 3)) == 30).all()
    assert logits[active].min() > logits[~active].min()


def test_slots_not_in_use_stay_alone_and_leave_the_means_alone():
    logits = toy(1)
    absent = logits.clone()
    absent[:, :2, 0] = -torch.inf  # in no more than the last two frames
    level = active_tokens(absent)
    assert not level[:, :2, 0].any()
    assert torch.equal(level[:, 2:, 0], active_tokens(logits)[:, 2:, 0])
    absent[:, :, 0] = -torch.inf
    overlap = slot_overlap(absent)
    assert torch.isfinite(overlap).all()
    assert (overlap[0, 0] == 0).all()


def overlap_of(pairs, num_slots=4):
    overlap = torch.eye(num_slots)[None]
    for j, k, value in pairs:
        overlap[0, j, k] = overlap[0, k, j] = value
    return overlap


LABELS = torch.tensor([0, 1, 1, 2, 2, 2, 3, 3, 3]).view(1, 1, 3, 3)


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        (dict(), [2, 2, 2, 3]),
        (dict(merge='pairwise'), [0, 2, 2, 3]),
        (dict(merge='none'), [0, 1, 2, 3]),
        (dict(iou_thr=0.85), [0, 2, 2, 3]),
        (dict(iou_thr=0.9), [0, 1, 2, 3]),
        (dict(iou_thr=-0.1), [2, 2, 2, 2]),
        (dict(iou_thr=-0.1, merge='pairwise'), [0, 2, 2, 3]),
    ],
)
def test_kinds_of_merging(options, expected):
    overlap = overlap_of([(0, 1, 0.8), (1, 2, 0.9)])
    options = dict(iou_thr=0.7) | options
    assert merge_slots(overlap, LABELS, **options).tolist() == [expected]


def test_winner_has_most_tokens_then_the_lowest_index():
    pairs = [(0, 3, 0.8), (2, 3, 0.8)]
    winner = merge_slots(overlap_of(pairs), LABELS, iou_thr=0.7)
    assert winner.tolist() == [[2, 1, 2, 2]]  # slots 2 and 3 hold 3 each


def test_instance_guard_keeps_lookalikes_apart():
    """Slots 0 and 1 look alike but lie at opposite ends of the frame."""
    labels = torch.full((1, 2, 3, 6), 2)
    labels[..., 0], labels[..., 5] = 0, 1
    overlap = overlap_of([(0, 1, 0.9)], 3)
    guard = dict(iou_thr=0.7, instance_guard=True)
    assert merge_slots(overlap, labels, iou_thr=0.7).tolist() == [[0, 0, 2]]
    assert merge_slots(overlap, labels, **guard).tolist() == [[0, 1, 2]]
    labels[0, 0, :, 1:3] = 1  # touching in half of the frames is enough
    assert merge_slots(overlap, labels, **guard).tolist() == [[1, 1, 2]]


def test_merged_maps_sum_the_members():
    maps = torch.rand(2, 3, 4, 5).softmax(2)
    slot_map = torch.tensor([[1, 1, 1, 3], [0, 1, 2, 3]])
    merged = merge_maps(maps, slot_map)
    torch.testing.assert_close(merged[0, :, 1], maps[0, :, :3].sum(1))
    assert (merged[0, :, [0, 2]] == 0).all()
    assert torch.equal(merged[1], maps[1])
    labels = maps.argmax(2)
    expected = torch.stack(
        [m[x] for m, x in zip(slot_map, labels, strict=True)]
    )
    assert torch.equal(apply_slot_map(labels, slot_map), expected)


def test_merging_by_frame_does_not_flicker():
    """IoU 1, 0.67, 0.5 over three frames: join above 0.7, keep to 0.6."""
    logits = torch.full((1, 4, 3, 12), -2.0)
    logits[0, :, 2] = 1
    logits[0, :, 0, :6] = 2.5
    for frame, tokens in enumerate((6, 4, 3, 4)):
        logits[0, frame, 1, :tokens] = 2
    plain = merge_slots_by_frame(logits, iou_thr=0.7, margin=0.0)
    kept = merge_slots_by_frame(logits, iou_thr=0.7, margin=0.1)
    assert plain[0, :, 1].tolist() == [0, 1, 1, 1]
    assert kept[0, :, 1].tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        (lambda x: slot_overlap(x, act_source='logit'), 'act_source'),
        (lambda x: slot_overlap(x, act_source='or'), 'needs mask_logits'),
        (lambda x: slot_overlap(x, empty_frame='drop'), 'empty_frame'),
        (lambda x: active_tokens(x, 1.5), 'act_threshold=1.5'),
        (lambda x: active_tokens(x, 'median'), "act_threshold='median'"),
        (
            lambda x: merge_slots(
                x[:, 0, :, :3], LABELS, iou_thr=0.7, merge='all'
            ),
            "merge='all'",
        ),
    ],
)
def test_wrong_options(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.randn(1, 2, 3, 9))
