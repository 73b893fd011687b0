"""SSync: encoder boundaries teach the decoder, its interiors the encoder."""

import functools
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from slotkd.models.losses.ssync_result import SSyncResult, ssync_stats
from slotkd.models.losses.ssync_sets import (
    low_entropy_tokens,
    neighbour_sets,
    settle_swaps,
)
from slotkd.ops.choices import check_choice
from slotkd.ops.masks import hard_labels, one_hot_maps
from slotkd.ops.precision import at_least_fp32
from slotkd.ops.slot_merging import (
    apply_slot_map,
    merge_maps,
    merge_slots,
    slot_overlap,
)
from slotkd.registry import MODELS
from slotkd.structures import SlotOutput

SELECTIONS = ('count', 'soft', 'entropy')
TARGETS = ('hard', 'soft')
REDUCTIONS = ('mean_all', 'sum_slots')


def ssync_loss(  # noqa: PLR0913  each decision of the method is an option
    attn_logits: Float[Tensor, 'B T K N'],
    mask_logits: Float[Tensor, 'B T K N'],
    grid: tuple[int, int],
    *,
    iou_thr: float,
    act_source: str = 'enc_logit',
    act_threshold: float | str = 'mean',
    merge: str = 'transitive',
    empty_frame: str = 'zero',
    instance_guard: bool = False,
    border: str = 'edge',
    temporal: bool = True,
    bd_rule: str = 'ge',
    n_bd: int = 1,
    n_agree: int = 1,
    n_nbd: int = 1,
    selection: str = 'count',
    entropy_share: float | None = None,
    swaps: str = 'keep',
    targets: str = 'hard',
    reversed_roles: bool = False,
    reduction: str = 'mean_all',
) -> SSyncResult:
    """Selective pseudo-labels between encoder attention and decoder masks.

    Labels are the argmax of both maps, after slots that follow one object
    were merged. A token is in the boundary set when the encoder's label
    differs from a neighbour's, and in the interior set when the decoder's
    label differs from none. Boundary: mean over its set of
    ``|masks - one_hot(labels_attn)|**2``; interior: of
    ``|attn - one_hot(labels_masks)|**2``, pooled over the batch. No gradient
    passes through labels, sets or merging. An empty set gives an exact zero
    that is connected to the graph.

    Cost is linear in the number of tokens, shapes are static, counting is in
    integers or fp32 under autocast too.

    Args:
        attn_logits: Encoder logits, before the softmax over slots.
        mask_logits: Decoder logits. A decoder that has only probabilities
            gives their logarithm.
        grid: Patch grid (h, w).
        iou_thr: Overlap above which two slots are merged, in [0, 1].
        act_source: See :func:`~slotkd.ops.slot_merging.slot_overlap`.
        act_threshold: See there.
        merge: See :func:`~slotkd.ops.slot_merging.merge_slots`.
        empty_frame: See ``slot_overlap``.
        instance_guard: See ``merge_slots``.
        border: Outside the clip labels are replicated (``edge``) or there is
            no neighbour (``omit``).
        temporal: Whether the frames before and after are neighbours.
        bd_rule: A boundary token has at least (``ge``) or more than (``gt``)
            ``n_bd`` differing neighbours.
        n_bd: See ``bd_rule``.
        n_agree: A boundary token has at least so many equal neighbours,
            which rejects single specks.
        n_nbd: An interior token has fewer differing neighbours than this.
        selection: ``count`` of differing labels; ``soft``, the summed
            disagreement of the probabilities instead; or ``entropy``: each
            map teaches where its own entropy is low.
        entropy_share: Share of the clip's tokens that ``entropy`` selects,
            in (0, 1]; None: those below the clip's mean.
        swaps: What to do with a token of both sets whose labels differ, so
            that the maps would trade labels: ``keep`` it, ``drop`` it, or
            keep it in the ``boundary`` set only.
        targets: ``hard`` labels, or the other map's ``soft`` probabilities,
            those of merged slots summed into the winner.
        reversed_roles: Whether boundaries come from the decoder and teach
            ``attn``, and interiors come from the encoder.
        reduction: Mean over tokens and slots (``mean_all``), or over tokens
            of the sum over slots (``sum_slots``).

    Returns:
        Losses, labels, sets, slot map and scalars to log.

    Raises:
        ValueError: If shapes or grid disagree or an option is unknown.

    Source:
        Moon and Heo, Selective synergistic learning, arXiv:2606.15527,
        Sec. 3; wjun0830/SSync@4cee41a where the two disagree.
        Differs: an empty set gives 0, not NaN; exact IoU; on a tie of sizes
        the lowest slot wins.
    """
    _check_inputs(attn_logits, mask_logits, grid)
    check_choice('selection', selection, SELECTIONS)
    check_choice('targets', targets, TARGETS)
    check_choice('reduction', reduction, REDUCTIONS)
    with torch.autocast(attn_logits.device.type, enabled=False):
        logits = [at_least_fp32(x) for x in (attn_logits, mask_logits)]
        overlap = slot_overlap(
            *logits,
            act_source=act_source,
            act_threshold=act_threshold,
            empty_frame=empty_frame,
        )
        labels = [hard_labels(x) for x in logits]
        slot_map = merge_slots(
            overlap,
            labels[0].unflatten(2, grid),
            iou_thr=iou_thr,
            merge=merge,
            instance_guard=instance_guard,
        )
        attn, masks = (
            _Side(x.softmax(dim=2), apply_slot_map(y, slot_map), slot_map)
            for x, y in zip(logits, labels, strict=True)
        )
        # `first` teaches `second` at boundaries, and learns in interiors
        first, second = (masks, attn) if reversed_roles else (attn, masks)
        if selection == 'entropy':
            boundary_mask = low_entropy_tokens(first.probs, entropy_share)
            interior_mask = low_entropy_tokens(second.probs, entropy_share)
        else:
            boundary_mask, interior_mask = neighbour_sets(
                first.evidence(selection),
                second.evidence(selection),
                grid,
                border=border,
                temporal=temporal,
                bd_rule=bd_rule,
                n_bd=n_bd,
                n_agree=n_agree,
                n_nbd=n_nbd,
            )
        boundary_mask, interior_mask = settle_swaps(
            boundary_mask, interior_mask, first.labels != second.labels, swaps
        )
        boundary = second.error(first.target(targets), boundary_mask)
        interior = first.error(second.target(targets), interior_mask)
        scale = 1 / attn_logits.shape[2] if reduction == 'mean_all' else 1
        return SSyncResult(
            boundary=boundary * scale,
            interior=interior * scale,
            labels_attn=attn.labels,
            labels_masks=masks.labels,
            boundary_mask=boundary_mask,
            interior_mask=interior_mask,
            slot_map=slot_map,
            overlap=overlap,
            stats=ssync_stats(
                attn.labels == masks.labels,
                boundary_mask,
                interior_mask,
                slot_map,
                overlap,
            ),
        )


@MODELS.register_module()
class SSyncLoss(nn.Module):
    """:func:`ssync_loss` between attention and masks of a slot model.

    The two parts are weighed alike and logged apart, next to the scalars of
    :attr:`SSyncResult.stats`. Parameter-free; takes the options of the
    function, which are tried once at build.

    Args:
        iou_thr: Overlap above which two slots are merged; 0.7 MOVi-C, 0.65
            MOVi-E, 0.6 YTVIS, 0.9 COCO.
        terms: Which of the boundary term ``'bd'`` and the interior term
            ``'nbd'`` are trained with.

    Raises:
        ValueError: If ``terms`` holds neither, or an option is unknown.

    Source:
        Moon and Heo, SSync, arXiv:2606.15527; wjun0830/SSync@4cee41a.
    """

    fields = ('attn_logits', 'mask_logits', 'grid')

    def __init__(  # noqa: PLR0913  the options of ssync_loss
        self,
        *,
        iou_thr: float,
        terms: tuple[str, ...] | list[str] = ('bd', 'nbd'),
        act_source: str = 'enc_logit',
        act_threshold: float | str = 'mean',
        merge: str = 'transitive',
        empty_frame: str = 'zero',
        instance_guard: bool = False,
        border: str = 'edge',
        temporal: bool = True,
        bd_rule: str = 'ge',
        n_bd: int = 1,
        n_agree: int = 1,
        n_nbd: int = 1,
        selection: str = 'count',
        entropy_share: float | None = None,
        swaps: str = 'keep',
        targets: str = 'hard',
        reversed_roles: bool = False,
        reduction: str = 'mean_all',
    ) -> None:
        super().__init__()
        if not terms or not set(terms) <= {'bd', 'nbd'}:
            raise ValueError(
                f"terms must hold 'bd', 'nbd' or both, got {tuple(terms)}"
            )
        self.parts = tuple(terms)
        self.loss = functools.partial(
            ssync_loss,
            iou_thr=iou_thr,
            act_source=act_source,
            act_threshold=act_threshold,
            merge=merge,
            empty_frame=empty_frame,
            instance_guard=instance_guard,
            border=border,
            temporal=temporal,
            bd_rule=bd_rule,
            n_bd=n_bd,
            n_agree=n_agree,
            n_nbd=n_nbd,
            selection=selection,
            entropy_share=entropy_share,
            swaps=swaps,
            targets=targets,
            reversed_roles=reversed_roles,
            reduction=reduction,
        )
        self.loss(torch.zeros(1, 1, 1, 1), torch.zeros(1, 1, 1, 1), (1, 1))

    def forward(self, output: SlotOutput) -> dict[str, Tensor]:
        """Return the two parts and the scalars to log."""
        if output.mask_logits is None:
            raise ValueError('SSyncLoss: mask_logits is None; run the decoder')
        result = self.loss(output.attn_logits, output.mask_logits, output.grid)
        losses = dict(bd=result.boundary, nbd=result.interior)
        return {part: losses[part] for part in self.parts} | result.stats


@dataclass(frozen=True)
class _Side:
    """One of the two maps: what it predicts and what it teaches."""

    probs: Tensor
    labels: Tensor
    slot_map: Tensor

    def evidence(self, selection: str) -> Tensor:
        """What neighbours are compared by, in the smallest type."""
        if selection == 'soft':
            return self.target('soft')
        few = self.slot_map.shape[1] <= 256
        return self.labels.to(torch.uint8 if few else torch.int32)

    def target(self, targets: str) -> Tensor:
        """What the other map is taught."""
        if targets == 'soft':
            return merge_maps(self.probs.detach(), self.slot_map)
        return one_hot_maps(
            self.labels, self.slot_map.shape[1], self.probs.dtype
        )

    def error(self, target: Tensor, selected: Tensor) -> Tensor:
        """Squared distance to the target, mean over the selected tokens."""
        distance = (self.probs - target).square().sum(dim=2)
        return (distance * selected).sum() / selected.sum().clamp(min=1)


def _check_inputs(
    attn_logits: Tensor, mask_logits: Tensor, grid: tuple[int, int]
) -> None:
    if attn_logits.shape != mask_logits.shape:
        raise ValueError(
            f'attn_logits of shape {tuple(attn_logits.shape)} and mask_logits '
            f'of shape {tuple(mask_logits.shape)} differ'
        )
    if grid[0] * grid[1] != attn_logits.shape[-1]:
        raise ValueError(
            f'grid {grid} does not hold the {attn_logits.shape[-1]} tokens '
            'of attn_logits'
        )
