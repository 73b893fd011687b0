"""The online student: a query model on single frames, and a tracker."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Integer
from mmengine.config import ConfigDict
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement, InstanceData
from torch import Tensor, nn

from slotkd.models.losses.loss_terms import LossTerms
from slotkd.models.queries.mask2former_weights import load_mask2former
from slotkd.models.queries.predict_video import predict_video
from slotkd.models.queries.track_targets import key_frames, track_targets
from slotkd.models.queries.tracker import FrameQueries, TrackState
from slotkd.models.queries.video_result import (
    FrameTracks,
    MaskGeometry,
    frame_tracks,
)
from slotkd.ops.choices import check_choice
from slotkd.ops.over_time import chunked
from slotkd.ops.query_matching import mask_coverage, match_queries
from slotkd.registry import MODELS, TASK_UTILS
from slotkd.structures import QueryOutput, TrackTargets

EMBED_SOURCES = ('reid', 'decoder')
MODES = ('tensor', 'loss', 'predict')


@MODELS.register_module()
class OnlineMask2Former(BaseModel):
    """Segment the instances of single frames and follow them by embedding.

    A clip is trained on the frames that its sample marks as key frames; the
    others are for a teacher. A video is predicted frame by frame: no frame
    is read before its turn, and what is carried on does not grow.

    Args:
        backbone: Config or module, (B, 3, H, W) to a pyramid.
        head: Config or module, see
            :class:`slotkd.models.queries.mask2former.FrameQueryHead`.
        embed_source: What is distilled and tracked: ``'reid'``, a small
            network on the decoder's output, so that class and mask heads are
            left alone; ``'decoder'``, that output itself.
        losses: Terms for :class:`slotkd.models.losses.LossTerms` that read
            this model's record, beside the head's own losses.
        tracker: Config of a tracker; None takes
            :class:`slotkd.models.queries.OnlineTracker`.
        topk: Most (track, class) pairs of a predicted video.
        category_ids: Category of each class in results; None counts from 1.
        frames_per_pass: Most frames that the network sees at once where no
            gradient is kept; bounds memory on long videos.
        data_preprocessor: Config of the preprocessor.
        init_cfg: ``dict(type='Pretrained', checkpoint=path_or_url)`` of a
            Mask2Former of mmdet or of this package, see
            :func:`slotkd.models.queries.mask2former_weights.load_mask2former`.

    Raises:
        ValueError: If an option is unknown or out of range.

    Source:
        Huang et al., MinVIS, NeurIPS 2022, arXiv:2208.02245; the embedding
        of Wu et al., IDOL, ECCV 2022, arXiv:2207.10661; as the student of
        Kim et al., OOKD, arXiv:2302.07516, our choice.
    """

    def __init__(
        self,
        backbone: dict | nn.Module,
        head: dict | nn.Module,
        *,
        embed_source: str = 'reid',
        losses: dict[str, dict[str, Any]] | None = None,
        tracker: dict | None = None,
        topk: int = 10,
        category_ids: Sequence[int] | None = None,
        frames_per_pass: int = 8,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        check_choice('embed_source', embed_source, EMBED_SOURCES)
        if topk < 1 or frames_per_pass < 1:
            raise ValueError(
                'topk and frames_per_pass must be at least 1, got '
                f'{topk} and {frames_per_pass}'
            )
        self.backbone = _build(backbone)
        self.head = _build(head)
        width = self.head.embed_dim
        self.reid = (
            nn.Sequential(
                nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)
            )
            if embed_source == 'reid'
            else None
        )
        self.losses = LossTerms(losses or {}, ('output',))
        self.tracker = TASK_UTILS.build(tracker or dict(type='OnlineTracker'))
        self.topk = topk
        self.category_ids = category_ids
        self.frames_per_pass = frames_per_pass

    def init_weights(self) -> None:
        """Load the file that ``init_cfg`` names, or initialise the parts."""
        config = dict(self.init_cfg or {})
        if config.pop('type', None) == 'Pretrained':
            load_mask2former(self, **config, head='head')
            self._is_init = True
        else:
            super().init_weights()

    def forward(
        self,
        inputs: Float[Tensor, 'B T 3 H W'],
        data_samples: list[BaseDataElement] | None = None,
        mode: str = 'tensor',
    ) -> QueryOutput | dict[str, Tensor] | list[BaseDataElement]:
        """Return the record, the losses or the predictions of clips.

        Args:
            inputs: Normalised frames.
            data_samples: mmdet's sample of each clip; for the losses with
                annotations.
            mode: ``'tensor'``, ``'loss'`` or ``'predict'``.
        """
        check_choice('mode', mode, MODES)
        if mode == 'tensor':
            return self.run(inputs)
        if mode == 'loss':
            return self.record_and_losses(inputs, data_samples)[1]
        return self.predict(inputs, data_samples)

    def run(
        self,
        inputs: Float[Tensor, 'B T 3 H W'],
        fields: Iterable[str] | None = None,
    ) -> QueryOutput:
        """Return the record of every frame of clips.

        Args:
            inputs: Normalised frames.
            fields: Not read: all fields come from one pass.
        """
        (cls_logits, mask_logits, embeds) = chunked(
            self._last_layer,
            inputs.flatten(0, 1),
            size=None if torch.is_grad_enabled() else self.frames_per_pass,
        )
        return self._record(
            cls_logits, mask_logits, embeds, tuple(inputs.shape[:2])
        )

    def record_and_losses(
        self,
        inputs: Float[Tensor, 'B T 3 H W'],
        data_samples: list[BaseDataElement] | None = None,
        fields: Iterable[str] = (),
    ) -> tuple[QueryOutput, dict[str, Tensor]]:
        """Return the record of the key frames and the model's own losses.

        Args:
            inputs: Normalised frames.
            data_samples: mmdet's sample of each clip, with annotations.
            fields: Not read: all fields come from one pass.

        Raises:
            ValueError: If there are no samples.
        """
        if data_samples is None:
            raise ValueError('training needs annotated data_samples')
        length = inputs.shape[1]
        frames = key_frames(data_samples, length, inputs.device)
        targets = track_targets(data_samples, inputs.shape[-2:], inputs.device)
        clips = torch.arange(len(inputs), device=inputs.device)[:, None]
        cls_list, mask_list, embeds = self.head.layers_and_embeds(
            self.backbone(inputs[clips, frames].flatten(0, 1))
        )
        instances = _by_frame(targets, frames)
        losses = self.head.loss_by_feat(
            cls_list, mask_list, instances, [{}] * len(instances)
        )
        record = self._record(
            cls_list[-1],
            mask_list[-1],
            embeds,
            tuple(frames.shape),
            frames=frames,
            match=_match_frames(cls_list[-1], mask_list[-1], targets, frames),
            targets=targets,
        )
        return record, losses | self.losses(record)

    def predict(
        self,
        inputs: Float[Tensor, 'B T 3 H W'],
        data_samples: list[BaseDataElement] | None = None,
    ) -> list[BaseDataElement]:
        """Add the tracks of each video to its sample.

        Adds ``pred_tracks``, ``pred_masks`` and, where the frames are
        annotated, ``association``; see
        :func:`slotkd.models.queries.predict_video.predict_video`.
        """
        if data_samples is None:
            raise ValueError('prediction needs data_samples, with sizes')
        for video, sample in zip(inputs, data_samples, strict=True):
            output = self.run(video[None])
            ids = self._follow(output)
            predict_video(
                sample,
                ids,
                output.cls_logits[0],
                output.mask_logits[0],
                embeds=output.features[0],
                padded=tuple(video.shape[-2:]),
                topk=self.topk,
                category_ids=self.category_ids,
            )
        return data_samples

    @torch.no_grad()
    def stream(
        self,
        frame: Float[Tensor, '3 H W'],
        state: TrackState | None,
        geometry: MaskGeometry | None = None,
        *,
        score_thr: float | int = 0.3,
    ) -> tuple[FrameTracks, TrackState]:
        """Continue a video by one frame.

        Args:
            frame: The next frame, normalised.
            state: What the call before returned; None begins a video.
            geometry: Sizes on the way to the masks; None gives masks of the
                frame's own size.
            score_thr: Smallest probability of an object's best class, from
                the mean of its logits so far.

        Returns:
            The objects of the frame, and the state.
        """
        size = (frame.shape[-2], frame.shape[-1])
        output = self.run(frame[None, None])
        queries = _frame_queries(output, 0)
        ids, state = self.tracker.step(queries, state)
        same = MaskGeometry(padded=size, image=size, original=size)
        tracks = frame_tracks(
            ids, state, queries.mask_logits, geometry or same, score_thr
        )
        return tracks, state

    def _follow(self, output: QueryOutput) -> Integer[Tensor, 'T Q']:
        """Track the queries of one video."""
        state, ids = None, []
        for t in range(output.cls_logits.shape[1]):
            found, state = self.tracker.step(_frame_queries(output, t), state)
            ids.append(found)
        return torch.stack(ids)

    def _last_layer(
        self, images: Float[Tensor, 'N 3 H W']
    ) -> tuple[Tensor, Tensor, Tensor]:
        layers = self.head.layers_and_embeds(self.backbone(images))
        return layers[0][-1], layers[1][-1], layers[2]

    def _record(
        self,
        cls_logits: Float[Tensor, 'N Q V'],
        mask_logits: Float[Tensor, 'N Q h w'],
        embeds: Float[Tensor, 'N Q D'],
        shape: tuple[int, ...],
        **known: Any,
    ) -> QueryOutput:
        """Return a record of clips from the output of all their frames."""
        reid = None if self.reid is None else self.reid(embeds)
        return QueryOutput(
            cls_logits=cls_logits.unflatten(0, shape),
            mask_logits=mask_logits.unflatten(0, shape),
            embeds=embeds.unflatten(0, shape),
            reid=None if reid is None else reid.unflatten(0, shape),
            **known,
        )


def _frame_queries(output: QueryOutput, t: int) -> FrameQueries:
    """Return a frame of a record of one video."""
    return FrameQueries(
        embeds=output.features[0, t],
        cls_logits=output.cls_logits[0, t],
        mask_logits=output.mask_logits[0, t],
    )


def _by_frame(
    targets: TrackTargets, frames: Integer[Tensor, 'B F']
) -> list[InstanceData]:
    """Return the visible objects of each key frame, as mmdet's losses take."""
    visible = targets.visible
    instances = []
    for clip, picked in enumerate(frames.tolist()):
        for t in picked:
            seen = visible[clip, :, t]
            instances.append(
                InstanceData(
                    labels=targets.labels[clip, seen],
                    masks=targets.masks[clip, seen, t].long(),
                )
            )
    return instances


def _match_frames(
    cls_logits: Float[Tensor, 'N Q V'],
    mask_logits: Float[Tensor, 'N Q h w'],
    targets: TrackTargets,
    frames: Integer[Tensor, 'B F'],
) -> Integer[Tensor, 'B F O']:
    """Match the queries of each key frame to the tracks visible in it."""
    clips = torch.arange(len(frames), device=frames.device)[:, None]
    masks = targets.masks.transpose(1, 2)[clips, frames].flatten(0, 1)
    match = match_queries(
        cls_logits,
        mask_logits.flatten(2),
        targets.labels.repeat_interleave(frames.shape[1], dim=0),
        mask_coverage(masks, mask_logits.shape[-2:]).flatten(2),
        present=masks.flatten(2).any(dim=2),
    )
    return match.unflatten(0, frames.shape)


def _build(part: dict | nn.Module) -> Any:
    # mmdet's parts read their configs by attribute.
    if isinstance(part, nn.Module):
        return part
    return MODELS.build(ConfigDict(part))
