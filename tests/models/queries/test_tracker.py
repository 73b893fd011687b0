"""Trackers: crossings, occlusions, permutations, bounded states."""

import pytest
import torch

from slotkd.models.queries.tracker import (
    FrameQueries,
    MemoryTracker,
    OnlineTracker,
)

SURE = 8.0


def frame(embeds, labels=None, masks=None, classes=3) -> FrameQueries:
    """Return a frame of sure queries; label ``classes`` is no object."""
    count = len(embeds)
    labels = torch.zeros(count).long() if labels is None else labels
    onehot = torch.nn.functional.one_hot(labels, classes + 1)
    if masks is None:
        masks = -torch.ones(count, 4, count)
        masks[torch.arange(count), :, torch.arange(count)] = 1
    return FrameQueries(
        embeds=embeds, cls_logits=SURE * onehot.float(), mask_logits=masks
    )


def follow(tracker, frames):
    state, ids = None, []
    for queries in frames:
        found, state = tracker.step(queries, state)
        ids.append(found)
    return torch.stack(ids), state


def crossing(noise=0.1):
    """Return frames of two objects whose embeddings stay their own."""
    torch.manual_seed(0)
    own = torch.eye(5)[:4]
    return [frame(own + noise * torch.randn(4, 5)) for _ in range(6)]


each_tracker = pytest.mark.parametrize(
    'tracker',
    [
        OnlineTracker('momentum'),
        OnlineTracker('last'),
        MemoryTracker(match_thr=0.3),
    ],
    ids=['momentum', 'last', 'memory'],
)


@each_tracker
def test_distinct_embeddings_keep_their_identities(tracker):
    ids, _ = follow(tracker, crossing())
    assert (ids == ids[0]).all() and ids[0].unique().numel() == 4


@each_tracker
def test_the_order_of_the_queries_does_not_matter(tracker):
    frames = crossing()
    ids, _ = follow(tracker, frames)
    orders = [torch.randperm(4) for _ in frames]
    orders[0] = torch.arange(4)  # which names the slots
    shuffled = [
        FrameQueries(
            embeds=f.embeds[order],
            cls_logits=f.cls_logits[order],
            mask_logits=f.mask_logits[order],
        )
        for f, order in zip(frames, orders, strict=True)
    ]
    found, _ = follow(tracker, shuffled)
    for t, order in enumerate(orders):
        assert torch.equal(found[t], ids[t][order])


@each_tracker
def test_a_frame_does_not_depend_on_later_ones(tracker):
    frames = crossing()
    ids, _ = follow(tracker, frames)
    changed = [*frames[:3], *(frame(torch.randn(4, 5)) for _ in range(3))]
    assert torch.equal(follow(tracker, changed)[0][:3], ids[:3])


def hidden(noise):
    """Return frames in which object 0 is hidden in the middle three."""
    torch.manual_seed(1)
    own = torch.eye(4)
    frames = []
    for t in range(7):
        embeds = own + 0.05 * torch.randn(4, 4)
        labels = torch.zeros(4).long()
        if 2 <= t <= 4:
            embeds[0] = noise
            labels[0] = 3
        frames.append(frame(embeds, labels))
    return frames


def test_momentum_remembers_what_is_hidden():
    """The query of a hidden object says "no object" and moves its slot little.

    The latest embedding alone is lost.
    """
    noise = -torch.ones(4)
    ids, state = follow(OnlineTracker('momentum'), hidden(noise))
    assert (ids == torch.arange(4)).all()
    cosine = torch.cosine_similarity(state.embeds[0, 0], torch.eye(4)[0], 0)
    assert cosine > 0.95
    _, last = follow(OnlineTracker('last'), hidden(noise)[:5])
    cosine = torch.cosine_similarity(last.embeds[0, 0], torch.eye(4)[0], 0)
    assert cosine < 0


def test_memory_finds_an_object_again_within_its_patience():
    frames = hidden(torch.zeros(4))
    for f in frames:
        f.embeds.mul_(4)
    ids, _ = follow(MemoryTracker(patience=4), frames)
    assert ids[:, 0].tolist() == [0, 0, -1, -1, -1, 0, 0]
    ids, _ = follow(MemoryTracker(patience=3), frames)
    assert ids[:, 0].tolist() == [0, 0, -1, -1, -1, 4, 4]


def test_memory_leaves_out_unsure_and_covered_queries():
    embeds = 4 * torch.eye(4)
    masks = -torch.ones(4, 4, 4)
    masks[0, :2], masks[1, :2] = 1, 1  # the same pixels
    masks[2, 2], masks[3, 3] = 1, 1
    queries = frame(embeds, torch.tensor([0, 0, 3, 1]), masks)
    queries.cls_logits[0, 0] += 1  # query 0 is surer than 1
    ids, state = follow(MemoryTracker(), [queries])
    assert ids.tolist() == [[0, -1, -1, 1]]
    assert len(state.ids) == 2
    doubtful = FrameQueries(
        embeds=embeds,
        cls_logits=torch.zeros(4, 4),  # each class at 25 %
        mask_logits=frame(embeds).mask_logits,
    )
    assert (follow(MemoryTracker(new_thr=0.3), [doubtful])[0] == -1).all()
    assert (follow(MemoryTracker(), [doubtful])[0] >= 0).all()


def test_memory_weighs_late_and_sure_embeddings_more():
    tracker = MemoryTracker(length=2)
    one, two = 3 * torch.eye(2)
    frames = [frame(e[None]) for e in (one, one, two)]
    _, state = follow(MemoryTracker(length=2, match_thr=0), frames)
    mean = tracker._means(state)[0]
    # Equal scores near 1: weights 1.5 and 2.
    expected = (1.5 * one + 2 * two) / 3.5
    torch.testing.assert_close(mean, expected, atol=2e-3, rtol=0)


def test_class_logits_are_averaged_over_a_tracks_frames():
    frames = crossing(noise=0)
    for t, f in enumerate(frames):
        f.cls_logits.mul_(t)
    for tracker in (OnlineTracker(), OnlineTracker('last')):
        _, state = follow(tracker, frames)
        expected = torch.stack([f.cls_logits for f in frames]).mean(dim=0)
        torch.testing.assert_close(state.mean_cls_logits, expected)


@each_tracker
def test_the_state_does_not_grow(tracker):
    torch.manual_seed(0)
    state, sizes = None, set()
    for _ in range(60):
        _, state = tracker.step(frame(torch.randn(4, 5)), state)
        sizes.add(
            sum(
                v.numel()
                for v in vars(state).values()
                if v is not None and isinstance(v, torch.Tensor)
            )
        )
    if isinstance(tracker, OnlineTracker):
        assert len(sizes) == 1
    else:
        assert max(sizes) <= 4 * tracker.patience * (5 + 1 + 3 * 5 + 4 + 9)


def test_half_precision_embeddings():
    frames = [
        FrameQueries(
            embeds=f.embeds.bfloat16(),
            cls_logits=f.cls_logits.bfloat16(),
            mask_logits=f.mask_logits,
        )
        for f in crossing()
    ]
    for tracker in (OnlineTracker(), MemoryTracker(match_thr=0.3)):
        ids, _ = follow(tracker, frames)
        assert (ids == ids[0]).all()


def test_no_sure_query_at_all():
    queries = frame(torch.eye(3), torch.full((3,), 3))
    ids, state = follow(MemoryTracker(), [queries, queries])
    assert (ids == -1).all() and len(state.ids) == 0


def test_refuses_unknown_options():
    with pytest.raises(ValueError, match="memory='first' is not one of"):
        OnlineTracker('first')
    with pytest.raises(ValueError, match=r'momentum must lie in .* got 0'):
        OnlineTracker(momentum=0)
    with pytest.raises(ValueError, match='length and patience .* 0 and 10'):
        MemoryTracker(length=0)
