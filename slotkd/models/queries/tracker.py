"""Trackers: follow the queries of single frames through a video."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor
from torch.nn import functional as F

from slotkd.ops.choices import check_choice
from slotkd.ops.matching import hungarian_match
from slotkd.ops.precision import at_least_fp32
from slotkd.ops.query_matching import tube_iou
from slotkd.registry import TASK_UTILS

MEMORIES = ('momentum', 'last')


@dataclass(frozen=True, kw_only=True)
class FrameQueries:
    """What a model says about one frame.

    Args:
        embeds: Embedding of each query.
        cls_logits: Class scores; the last class is "no object".
        mask_logits: Masks before the sigmoid.
    """

    embeds: Float[Tensor, 'Q D']
    cls_logits: Float[Tensor, 'Q V']
    mask_logits: Float[Tensor, 'Q h w']


@dataclass(frozen=True, kw_only=True)
class TrackState:
    """What a tracker carries from frame to frame.

    Args:
        ids: Identity of each track.
        embeds: The latest embeddings of each track, oldest first.
        weights: Class score of each of them; 0 where there is none yet.
        cls_logits: Sum of the class logits over the frames of a track.
        seen: Number of those frames.
        idle: Frames since the track was last seen.
        next_id: Identity of the next new track.
    """

    ids: Integer[Tensor, ' K']
    embeds: Float[Tensor, 'K M D']
    weights: Float[Tensor, 'K M']
    cls_logits: Float[Tensor, 'K V']
    seen: Integer[Tensor, ' K']
    idle: Integer[Tensor, ' K']
    next_id: int

    @property
    def mean_cls_logits(self) -> Float[Tensor, 'K V']:
        """Mean class logits of each track."""
        return self.cls_logits / self.seen[:, None]


@TASK_UTILS.register_module()
class OnlineTracker:
    """Give every query of a frame a slot by one assignment.

    The queries of the first frame fill the slots. In later frames queries
    and slots are assigned so that the summed cosine is largest. The state is
    one embedding and one sum of class logits for each slot, however long the
    video.

    Args:
        memory: ``'last'``: a slot is its latest embedding; ``'momentum'``:
            it moves towards it by ``momentum`` times the probability that
            the query shows an object.
        momentum: Share of the new embedding, in (0, 1].

    Raises:
        ValueError: If ``memory`` is unknown or ``momentum`` out of range.

    Source:
        Huang et al., MinVIS, NeurIPS 2022, arXiv:2208.02245, for ``'last'``;
        the momentum is our choice.
    """

    def __init__(
        self, memory: str = 'momentum', *, momentum: float | int = 0.5
    ) -> None:
        check_choice('memory', memory, MEMORIES)
        if not 0 < momentum <= 1:
            raise ValueError(f'momentum must lie in (0, 1], got {momentum}')
        self.memory = memory
        self.momentum = momentum

    def step(
        self, frame: FrameQueries, state: TrackState | None
    ) -> tuple[Integer[Tensor, ' Q'], TrackState]:
        """Continue a video by one frame.

        Args:
            frame: The frame.
            state: What the call before returned; None begins a video.

        Returns:
            Slot of each query, and the state.
        """
        embeds = F.normalize(at_least_fp32(frame.embeds), dim=1)
        logits = at_least_fp32(frame.cls_logits)
        count = len(embeds)
        slots = torch.arange(count, device=embeds.device)
        if state is None:
            return slots, TrackState(
                ids=slots,
                embeds=embeds[:, None],
                weights=torch.ones_like(embeds[:, :1]),
                cls_logits=logits,
                seen=torch.ones_like(slots),
                idle=torch.zeros_like(slots),
                next_id=count,
            )
        old = state.embeds[:, 0]
        cosine = F.normalize(old, dim=1) @ embeds.T
        query = hungarian_match(cosine[None])[0]  # of each slot
        share: Tensor | float = 1.0
        if self.memory == 'momentum':
            objects = 1 - logits.softmax(dim=1)[query, -1:]
            share = self.momentum * objects
        moved = (1 - share) * old + share * embeds[query]
        return query.argsort(), TrackState(
            ids=state.ids,
            embeds=moved[:, None],
            weights=state.weights,
            cls_logits=state.cls_logits + logits[query],
            seen=state.seen + 1,
            idle=state.idle,
            next_id=state.next_id,
        )


@TASK_UTILS.register_module()
class MemoryTracker:
    """Follow sure queries only; open and close tracks as they come and go.

    For long videos with many objects. Of the queries above ``score_thr``
    that no better one covers, each takes, best first, the free track of the
    highest similarity: the mean of the softmaxes over tracks and over
    queries of inner products with a weighted mean of the track's latest
    embeddings. The state holds the tracks seen in the latest frames, hence
    is bounded.

    Args:
        score_thr: Smallest class score of a query, "no object" left out.
        nms_thr: Largest IoU of a query's mask with that of a better one.
        match_thr: Smallest similarity to join a track.
        new_thr: Smallest score to open a track.
        length: Embeddings kept of a track; later and surer ones count more.
        patience: Frames after which an unseen track is closed.

    Raises:
        ValueError: If ``length`` or ``patience`` is below 1.

    Source:
        Wu et al., IDOL, ECCV 2022, arXiv:2207.10661, as in
        wjf5203/VNext@e8b7bd5:projects/IDOL/idol/models/tracker.py.
    """

    def __init__(
        self,
        score_thr: float | int = 0.1,
        nms_thr: float | int = 0.5,
        *,
        match_thr: float | int = 0.5,
        new_thr: float | int = 0.2,
        length: int = 3,
        patience: int = 10,
    ) -> None:
        if length < 1 or patience < 1:
            raise ValueError(
                'length and patience must be at least 1, got '
                f'{length} and {patience}'
            )
        self.score_thr = score_thr
        self.nms_thr = nms_thr
        self.match_thr = match_thr
        self.new_thr = new_thr
        self.length = length
        self.patience = patience

    def step(
        self, frame: FrameQueries, state: TrackState | None
    ) -> tuple[Integer[Tensor, ' Q'], TrackState]:
        """Continue a video by one frame; see :class:`OnlineTracker`.

        Returns:
            Identity of each query's track, -1 for those without, and the
            state.
        """
        if state is None:
            state = self._empty(frame)
        logits = at_least_fp32(frame.cls_logits)
        scores = logits.softmax(dim=1)[:, :-1].amax(dim=1)
        picked = self._candidates(scores, frame.mask_logits > 0)
        embeds = at_least_fp32(frame.embeds)
        track = self._assign(embeds[picked], state)
        new = (track < 0) & (scores[picked] > self.new_thr)
        count = int(new.sum())
        state = _opened(state, count)
        track[new] = torch.arange(
            len(state.ids) - count, len(state.ids), device=track.device
        )
        joined = track >= 0
        ids = torch.full_like(scores, -1, dtype=torch.long)
        ids[picked[joined]] = state.ids[track[joined]]
        return ids, self._remember(
            state,
            track[joined],
            embeds[picked[joined]],
            logits[picked[joined]],
            scores[picked[joined]],
        )

    def _empty(self, frame: FrameQueries) -> TrackState:
        embeds = at_least_fp32(frame.embeds[:0])
        none = torch.zeros(0, dtype=torch.long, device=embeds.device)
        return TrackState(
            ids=none,
            embeds=embeds[:, None].expand(-1, self.length, -1),
            weights=embeds.new_zeros(0, self.length),
            cls_logits=at_least_fp32(frame.cls_logits[:0]),
            seen=none,
            idle=none,
            next_id=0,
        )

    def _candidates(
        self, scores: Float[Tensor, ' Q'], masks: Bool[Tensor, 'Q h w']
    ) -> Integer[Tensor, ' C']:
        """Return sure queries, best first, without covered ones."""
        order = scores.argsort(descending=True, stable=True)
        order = order[scores[order] > self.score_thr]
        tubes = masks[order][None, :, None]
        covered = tube_iou(tubes, tubes)[0] > self.nms_thr
        kept: list[int] = []
        for index in range(len(order)):
            if not covered[index, kept].any():
                kept.append(index)
        return order[kept]

    def _assign(
        self, embeds: Float[Tensor, 'C D'], state: TrackState
    ) -> Integer[Tensor, ' C']:
        """Return the place in the state of each query's track, or -1."""
        track = torch.full((len(embeds),), -1, device=embeds.device)
        if not len(state.ids):
            return track
        means = self._means(state)
        products = embeds @ means.T
        scores = (products.softmax(dim=0) + products.softmax(dim=1)) / 2
        for index in range(len(embeds)):
            score, best = scores[index].max(dim=0)
            if score > self.match_thr:
                track[index] = best
                scores[:, best] = 0
        return track

    def _means(self, state: TrackState) -> Float[Tensor, 'K D']:
        """Return the mean embedding of each track."""
        known = state.weights > 0
        later = torch.arange(1, self.length + 1, device=known.device)
        weights = (state.weights + later / self.length) * known
        weights = weights / weights.sum(dim=1, keepdim=True)
        return (weights[..., None] * state.embeds).sum(dim=1)

    def _remember(
        self,
        state: TrackState,
        track: Integer[Tensor, ' C'],
        embeds: Float[Tensor, 'C D'],
        cls_logits: Float[Tensor, 'C V'],
        scores: Float[Tensor, ' C'],
    ) -> TrackState:
        """Add a frame to the tracks it shows; close those long unseen."""
        kept_embeds, weights = state.embeds.clone(), state.weights.clone()
        kept_embeds[track] = torch.cat(
            [state.embeds[track, 1:], embeds[:, None]], dim=1
        )
        weights[track] = torch.cat(
            [state.weights[track, 1:], scores[:, None]], dim=1
        )
        summed, seen = state.cls_logits.clone(), state.seen.clone()
        summed[track] += cls_logits
        seen[track] += 1
        idle = state.idle + 1
        idle[track] = 0
        alive = idle < self.patience
        return TrackState(
            ids=state.ids[alive],
            embeds=kept_embeds[alive],
            weights=weights[alive],
            cls_logits=summed[alive],
            seen=seen[alive],
            idle=idle[alive],
            next_id=state.next_id,
        )


def _opened(state: TrackState, count: int) -> TrackState:
    """Add empty tracks with new identities."""

    def longer(values: Tensor) -> Tensor:
        return torch.cat([values, values.new_zeros(count, *values.shape[1:])])

    ids = torch.arange(count, device=state.ids.device) + state.next_id
    return TrackState(
        ids=torch.cat([state.ids, ids]),
        embeds=longer(state.embeds),
        weights=longer(state.weights),
        cls_logits=longer(state.cls_logits),
        seen=longer(state.seen),
        idle=longer(state.idle),
        next_id=state.next_id + count,
    )
