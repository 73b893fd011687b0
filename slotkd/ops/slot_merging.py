"""Which slots of a clip follow the same object, and one label for them."""

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor

from slotkd.ops.choices import check_choice
from slotkd.ops.masks import hard_labels, one_hot_maps, slots_touch
from slotkd.ops.precision import at_least_fp32

ACT_SOURCES = ('enc_logit', 'enc_prob', 'dec_logit', 'or', 'and', 'avg')
EMPTY_FRAMES = ('zero', 'skip')
MERGE_KINDS = ('transitive', 'pairwise', 'none')


@torch.no_grad()
def slot_overlap(
    attn_logits: Float[Tensor, 'B T K N'],
    mask_logits: Float[Tensor, 'B T K N'] | None = None,
    *,
    act_source: str = 'enc_logit',
    act_threshold: float | str = 'mean',
    empty_frame: str = 'zero',
) -> Float[Tensor, 'B K K']:
    """IoU of the active tokens of two slots, mean over the frames of a clip.

    Logits measure affinity without competition: two fragments of one object
    overlap, whereas after the softmax they are nearly disjoint exactly when
    the object is split cleanly.

    Args:
        attn_logits: Encoder logits before the softmax over slots; -inf in
            frames where a slot is not in use.
        mask_logits: Decoder logits, for the sources that read them.
        act_source: Map to threshold: encoder logits, encoder probabilities
            or decoder logits. ``or``, ``and``, ``avg`` take the largest,
            smallest or mean IoU of both logit maps, so that a threshold on
            it joins the graphs by OR, by AND, or on the average.
        act_threshold: ``mean``: tokens above the mean of their slot are
            active; a number in (0, 1): the share of the clip's tokens that
            is active.
        empty_frame: Whether a frame with neither slot active counts as IoU
            0 (``zero``) or is left out of the mean (``skip``).

    Returns:
        Symmetric IoU, 0 where a pair is never active.

    Source:
        Moon and Heo, SSync, arXiv:2606.15527, Sec. 3.2; logits as source is
        wjun0830/SSync@4cee41a, which adds 1e-6 to each area.
    """
    check_choice('act_source', act_source, ACT_SOURCES)
    maps = {'enc': attn_logits, 'dec': mask_logits}
    names = (act_source[:3],) if '_' in act_source else ('enc', 'dec')
    overlaps = []
    with torch.autocast(attn_logits.device.type, enabled=False):
        for name in names:
            activation = maps[name]
            if activation is None:
                raise ValueError(
                    f'act_source={act_source!r} needs mask_logits, got None'
                )
            activation = at_least_fp32(activation)
            if act_source == 'enc_prob':
                activation = activation.softmax(dim=2)
            active = active_tokens(activation, act_threshold)
            overlaps.append(active_overlap(active, empty_frame))
    stacked = torch.stack(overlaps)
    if act_source == 'or':
        return stacked.amax(dim=0)
    return stacked.amin(dim=0) if act_source == 'and' else stacked.mean(dim=0)


def active_tokens(
    activation: Float[Tensor, 'B T K N'], act_threshold: float | str = 'mean'
) -> Bool[Tensor, 'B T K N']:
    """Threshold each slot of each clip at its mean or at a quantile.

    A slot that is -inf in a frame is not active there, and the frame does
    not enter its mean.

    Raises:
        ValueError: If ``act_threshold`` is neither ``mean`` nor in (0, 1).
    """
    if act_threshold == 'mean':
        frames = activation.mean(dim=3)
        used = frames > -torch.inf
        level = frames.where(used, 0).sum(1) / used.sum(1).clamp(min=1)
        return activation > level[:, None, :, None]
    if isinstance(act_threshold, str) or not 0 < act_threshold < 1:
        raise ValueError(
            f"act_threshold={act_threshold!r} is neither 'mean' nor a share "
            'in (0, 1)'
        )
    flat = activation.transpose(1, 2).flatten(2)
    rank = int((1 - act_threshold) * (flat.shape[2] - 1)) + 1
    level = flat.kthvalue(rank, dim=2).values
    return activation > level[:, None, :, None]


def active_overlap(
    active: Bool[Tensor, 'B T K N'], empty_frame: str = 'zero'
) -> Float[Tensor, 'B K K']:
    """IoU of 0/1 maps, mean over frames; see :func:`slot_overlap`."""
    check_choice('empty_frame', empty_frame, EMPTY_FRAMES)
    iou = frame_overlap(active)
    if empty_frame == 'zero':
        return iou.mean(dim=1)
    seen = active.any(dim=3)
    either = seen[..., None] | seen[..., None, :]
    return iou.sum(dim=1) / either.sum(dim=1).clamp(min=1)


def frame_overlap(
    active: Bool[Tensor, 'B T K N'],
) -> Float[Tensor, 'B T K K']:
    """IoU of 0/1 maps in each frame, counted exactly; 0 where both are 0."""
    # fp32 (also under TF32) counts exactly up to 2**24 tokens per frame.
    with torch.autocast(active.device.type, enabled=False):
        ones = active.float()
        inter = ones @ ones.transpose(2, 3)
    area = inter.diagonal(dim1=2, dim2=3)
    union = area[..., None] + area[..., None, :] - inter
    return inter / union.clamp(min=1)


@torch.no_grad()
def merge_slots(
    overlap: Float[Tensor, 'B K K'],
    labels: Integer[Tensor, 'B T h w'],
    *,
    iou_thr: float,
    merge: str = 'transitive',
    instance_guard: bool = False,
) -> Integer[Tensor, 'B K']:
    """Map each slot to the winner of its group.

    Slots whose overlap exceeds ``iou_thr`` are joined. The member with most
    tokens in the clip wins, the lowest index on a tie.

    Args:
        overlap: Symmetric overlap of slots, see :func:`slot_overlap`.
        labels: Encoder labels before merging.
        iou_thr: Overlap that must be exceeded.
        merge: ``transitive`` joins chains, ``pairwise`` only the pair of
            highest overlap, ``none`` nothing.
        instance_guard: Join only slots that touch in at least half of the
            frames, so that look-alike objects apart stay two.

    Returns:
        Winner of each slot; its own index where it stays.

    Source:
        Moon and Heo, SSync, arXiv:2606.15527, Sec. 3.2.
        Differs: on a tie wjun0830/SSync@4cee41a takes the first member in
        depth-first order, here the lowest index.
    """
    check_choice('merge', merge, MERGE_KINDS)
    num_slots = overlap.shape[-1]
    edges = overlap > iou_thr
    if instance_guard:
        touch = slots_touch(labels, num_slots).float().mean(dim=1)
        edges &= touch >= 0.5
    if merge == 'pairwise':
        edges &= _highest_pair(overlap.where(edges, -1))
    if merge == 'none':
        edges = torch.zeros_like(edges)
    sizes = one_hot_maps(labels.flatten(2), num_slots, torch.float32)
    return _winners(transitive_closure(edges), sizes.sum((1, 3)))


@torch.no_grad()
def merge_slots_by_frame(
    attn_logits: Float[Tensor, 'B T K N'],
    *,
    iou_thr: float,
    margin: float = 0.05,
) -> Integer[Tensor, 'B T K']:
    """Merge slots of a long video with a map of its own for each frame.

    Two slots are joined in the first frame where the IoU of their active
    tokens exceeds ``iou_thr`` and stay so until it falls to
    ``iou_thr - margin``, so that a pair near the threshold does not flicker.
    Post-processing only: training has one map for each clip.

    Args:
        attn_logits: Encoder logits of the video.
        iou_thr: IoU to exceed.
        margin: Width of the hysteresis.

    Returns:
        Winner of each slot in each frame; sizes are those in the video.
    """
    num_frames, num_slots = attn_logits.shape[1:3]
    iou = frame_overlap(active_tokens(at_least_fp32(attn_logits)))
    joins = iou > iou_thr
    settles = joins | (iou <= iou_thr - margin)
    frame = torch.arange(num_frames, device=iou.device)[:, None, None]
    latest = frame.where(settles, -1).cummax(dim=1).values
    edges = joins.gather(1, latest.clamp(min=0)) & (latest >= 0)
    labels = hard_labels(attn_logits)
    sizes = one_hot_maps(labels, num_slots, torch.float32).sum((1, 3))
    return _winners(
        transitive_closure(edges.flatten(0, 1)),
        sizes.repeat_interleave(num_frames, dim=0),
    ).unflatten(0, (-1, num_frames))


def transitive_closure(edges: Bool[Tensor, 'B K K']) -> Bool[Tensor, 'B K K']:
    """Tell which nodes an undirected graph connects; each to itself."""
    num_nodes = edges.shape[-1]
    loops = torch.eye(num_nodes, dtype=torch.bool, device=edges.device)
    reach = edges | edges.transpose(1, 2) | loops
    with torch.autocast(edges.device.type, enabled=False):
        for _ in range((num_nodes - 1).bit_length()):  # paths double
            paths = reach.float()
            reach = paths @ paths > 0
    return reach


def apply_slot_map(
    labels: Integer[Tensor, 'B T N'], slot_map: Integer[Tensor, 'B K']
) -> Integer[Tensor, 'B T N']:
    """Replace each label by the winner of its slot."""
    flat = labels.flatten(1).long()
    return slot_map.gather(1, flat).view_as(labels)


def merge_maps(
    maps: Float[Tensor, 'B T K N'], slot_map: Integer[Tensor, 'B K']
) -> Float[Tensor, 'B T K N']:
    """Sum the maps of the members of a group into the map of its winner."""
    index = slot_map[:, None, :, None].expand_as(maps)
    return torch.zeros_like(maps).scatter_add(2, index, maps)


def _highest_pair(overlap: Tensor) -> Tensor:
    """Mark the two slots of largest overlap in each clip."""
    upper = torch.ones_like(overlap, dtype=torch.bool).triu(diagonal=1)
    best = overlap.masked_fill(~upper, -1).flatten(1).max(dim=1).indices
    pair = torch.zeros_like(upper).flatten(1)
    pair = pair.scatter(1, best[:, None], True).view_as(upper)
    return pair | pair.transpose(1, 2)


def _winners(groups: Tensor, sizes: Tensor) -> Tensor:
    """Member of most tokens of each slot's group, lowest index on a tie."""
    return sizes[:, None].where(groups, -1).max(dim=2).indices
