"""Mask2Former with its embeddings; the only module that imports mmdet."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from mmdet.models import (
    Mask2FormerHead,
    Mask2FormerTrackHead,
    Mask2FormerVideo,
)
from mmengine.config import ConfigDict
from mmengine.structures import BaseDataElement, InstanceData
from torch import Tensor

from slotkd.models.queries.mask2former_weights import load_mask2former
from slotkd.models.queries.predict_video import predict_video
from slotkd.models.queries.track_targets import track_targets
from slotkd.ops.choices import check_choice
from slotkd.registry import MODELS
from slotkd.structures import VideoQueryOutput

Layers = tuple[list[Tensor], list[Tensor], Tensor]
MODES = ('tensor', 'loss', 'predict')


class _WithEmbeds:
    """Hand out the decoder's last output of a Mask2Former head of mmdet.

    No parameter is added or renamed: weights of the heads load strictly.
    """

    # Only while a call of layers_and_embeds lasts.
    _decoded: list[Tensor] | None = None

    @property
    def embed_dim(self) -> int:
        """Width of a query."""
        return self.decoder_embed_dims  # type: ignore[attr-defined]

    def layers_and_embeds(self, feats: Sequence[Tensor]) -> Layers:
        """Return class and mask logits of all layers, and the embeddings.

        Args:
            feats: Pyramid of the backbone.
        """
        self._decoded = []
        head: Any = self
        try:
            cls_list, mask_list = head(feats, None)
            last = self._decoded[-1]
        finally:
            self._decoded = None
        return cls_list, mask_list, head.transformer_decoder.post_norm(last)

    def _forward_head(self, decoder_out: Tensor, *others: Any) -> Any:
        if self._decoded is not None:
            self._decoded.append(decoder_out)
        return super()._forward_head(decoder_out, *others)  # type: ignore[misc]


@MODELS.register_module()
class FrameQueryHead(_WithEmbeds, Mask2FormerHead):
    """mmdet's Mask2Former head for single frames, with its embeddings.

    Args:
        in_channels: Channels of the backbone's pyramid.
        feat_channels: Width of pixel decoder and queries.
        out_channels: Width of the mask features.
        num_classes: Classes of objects, "no object" left out.
        num_queries: Queries of a frame.
        pixel_decoder: Config of mmdet's pixel decoder.
        transformer_decoder: Config of mmdet's Mask2Former decoder.
        positional_encoding: Config of the encoding of keys.
        loss_cls: Config of mmdet's loss of classes.
        loss_mask: Config of mmdet's cross-entropy of masks.
        loss_dice: Config of mmdet's Dice loss.
        train_cfg: Points, assigner and sampler of the losses.
        init_cfg: mmengine's weight initialisation.

    Source:
        Cheng et al., Mask2Former, CVPR 2022, arXiv:2112.01527, as in
        open-mmlab/mmdetection v3.3.0.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        feat_channels: int,
        *,
        out_channels: int,
        num_classes: int,
        num_queries: int,
        pixel_decoder: dict,
        transformer_decoder: dict,
        positional_encoding: dict,
        loss_cls: dict,
        loss_mask: dict,
        loss_dice: dict,
        train_cfg: dict,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            list(in_channels),
            feat_channels,
            out_channels,
            num_things_classes=num_classes,
            num_stuff_classes=0,
            num_queries=num_queries,
            num_transformer_feat_level=_levels(pixel_decoder),
            pixel_decoder=ConfigDict(pixel_decoder),
            transformer_decoder=ConfigDict(transformer_decoder),
            positional_encoding=positional_encoding,
            loss_cls=ConfigDict(loss_cls),
            loss_mask=ConfigDict(loss_mask),
            loss_dice=ConfigDict(loss_dice),
            train_cfg=ConfigDict(train_cfg),
            init_cfg=init_cfg,
        )


@MODELS.register_module()
class VideoQueryHead(_WithEmbeds, Mask2FormerTrackHead):
    """mmdet's Mask2Former head for whole clips, with its embeddings.

    In training a batch is cut into clips of ``num_frames``; in evaluation it
    is one clip, whatever its length.

    mmdet's mask losses grow with the clip: the cross-entropy with the square
    of the number of frames, Dice with the number. Its weights are made for
    two frames; for T frames divide them by (T / 2) ** 2 and T / 2.

    Args:
        in_channels: Channels of the backbone's pyramid.
        feat_channels: Width of pixel decoder and queries.
        out_channels: Width of the mask features.
        num_classes: Classes of objects, "no object" left out.
        num_queries: Queries of a clip.
        num_frames: Frames of a training clip.
        pixel_decoder: Config of mmdet's pixel decoder.
        transformer_decoder: Config of mmdet's Mask2Former decoder.
        positional_encoding: Config of the encoding of keys, in 3D.
        loss_cls: Config of mmdet's loss of classes.
        loss_mask: Config of mmdet's cross-entropy of masks.
        loss_dice: Config of mmdet's Dice loss.
        train_cfg: Points, assigner and sampler of the losses.

    Source:
        Cheng et al., Mask2Former for Video Instance Segmentation,
        arXiv:2112.10764, as in open-mmlab/mmdetection v3.3.0.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        feat_channels: int,
        *,
        out_channels: int,
        num_classes: int,
        num_queries: int,
        num_frames: int,
        pixel_decoder: dict,
        transformer_decoder: dict,
        positional_encoding: dict,
        loss_cls: dict,
        loss_mask: dict,
        loss_dice: dict,
        train_cfg: dict,
    ) -> None:
        super().__init__(
            list(in_channels),
            feat_channels,
            out_channels,
            num_classes,
            num_frames,
            num_queries,
            _levels(pixel_decoder),
            pixel_decoder=ConfigDict(pixel_decoder),
            transformer_decoder=ConfigDict(transformer_decoder),
            positional_encoding=ConfigDict(positional_encoding),
            loss_cls=ConfigDict(loss_cls),
            loss_mask=ConfigDict(loss_mask),
            loss_dice=ConfigDict(loss_dice),
            train_cfg=ConfigDict(train_cfg),
        )

    def clips_and_embeds(
        self, feats: Sequence[Tensor], num_frames: int
    ) -> Layers:
        """Return what ``layers_and_embeds`` returns, of several clips at once.

        mmdet's forward cuts a batch into clips only where this flag says that
        it trains; the flags of the parts, which dropout reads, stay as they
        are.

        Args:
            feats: Pyramid of the backbone, of the frames of all clips.
            num_frames: Frames of each clip.
        """
        head: Any = self
        before = head.training, head.num_frames
        head.training, head.num_frames = True, num_frames
        try:
            return self.layers_and_embeds(feats)
        finally:
            head.training, head.num_frames = before


@MODELS.register_module()
class OfflineMask2Former(Mask2FormerVideo):
    """Segment and follow the instances of a clip as a whole: the teacher.

    Weights of mmdet's ``Mask2FormerVideo`` load as they are.

    Args:
        backbone: Config of the backbone.
        track_head: Config of :class:`VideoQueryHead`.
        topk: Most (track, class) pairs of a predicted video.
        category_ids: Category of each class in results; None counts from 1.
        data_preprocessor: Config of the preprocessor.
        init_cfg: ``dict(type='Pretrained', checkpoint=path_or_url)`` of a
            Mask2Former of mmdet or of this package, see
            :func:`slotkd.models.queries.mask2former_weights.load_mask2former`.

    Source:
        Cheng et al., Mask2Former for Video Instance Segmentation,
        arXiv:2112.10764; as the teacher of Kim et al., OOKD,
        arXiv:2302.07516, our choice.
    """

    def __init__(
        self,
        backbone: dict,
        track_head: dict,
        *,
        topk: int = 10,
        category_ids: Sequence[int] | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            ConfigDict(backbone),
            ConfigDict(track_head),
            data_preprocessor,
            init_cfg,
        )
        self.topk = topk
        self.category_ids = category_ids

    def init_weights(self) -> None:
        """Load the file that ``init_cfg`` names, or initialise the parts."""
        config = dict(self.init_cfg or {})
        if config.pop('type', None) == 'Pretrained':
            load_mask2former(self, **config, head='track_head')
            self._is_init = True
        else:
            super().init_weights()

    def forward(
        self,
        inputs: Float[Tensor, 'B T 3 H W'],
        data_samples: list[BaseDataElement] | None = None,
        mode: str = 'tensor',
    ) -> VideoQueryOutput | dict[str, Tensor] | list[BaseDataElement]:
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
        if data_samples is None:
            raise ValueError(f'mode {mode!r} needs data_samples')
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        return self.predict(inputs, data_samples)

    def run(
        self,
        inputs: Float[Tensor, 'B T 3 H W'],
        fields: Iterable[str] | None = None,
    ) -> VideoQueryOutput:
        """Return the record of clips, each seen as a whole.

        Args:
            inputs: Normalised frames.
            fields: Not read: all fields come from one pass.
        """
        cls_list, mask_list, embeds = self.track_head.clips_and_embeds(
            self.backbone(inputs.flatten(0, 1)), inputs.shape[1]
        )
        return VideoQueryOutput(
            cls_logits=cls_list[-1],
            mask_logits=mask_list[-1],
            embeds=embeds,
        )

    def loss(
        self,
        inputs: Float[Tensor, 'B T 3 H W'],
        data_samples: list[BaseDataElement],
    ) -> dict[str, Tensor]:
        """Return the losses of all decoder layers.

        Raises:
            ValueError: If clips have another length than the head was told.
        """
        if inputs.shape[1] != self.track_head.num_frames:
            raise ValueError(
                f'clips have {inputs.shape[1]} frames, track_head.num_frames '
                f'is {self.track_head.num_frames}'
            )
        targets = track_targets(data_samples, inputs.shape[-2:], inputs.device)
        seen = targets.visible.any(dim=2)
        instances = [
            InstanceData(labels=labels[there], masks=masks[there].long())
            for labels, masks, there in zip(
                targets.labels, targets.masks, seen, strict=True
            )
        ]
        cls_list, mask_list = self.track_head(
            self.backbone(inputs.flatten(0, 1)), None
        )
        return self.track_head.loss_by_feat(
            cls_list, mask_list, instances, [{}] * len(instances)
        )

    def predict(
        self,
        inputs: Float[Tensor, 'B T 3 H W'],
        data_samples: list[BaseDataElement],
    ) -> list[BaseDataElement]:
        """Add the tracks of each video to its sample.

        Adds ``pred_tracks`` and ``pred_masks``; see
        :func:`slotkd.models.queries.predict_video.predict_video`.
        """
        for video, sample in zip(inputs, data_samples, strict=True):
            output = self.run(video[None])
            masks = output.mask_logits[0].transpose(0, 1)
            slots = torch.arange(masks.shape[1], device=masks.device)
            predict_video(
                sample,
                slots.expand(len(video), -1),
                output.cls_logits.expand(len(video), -1, -1),
                masks,
                embeds=None,
                padded=(video.shape[-2], video.shape[-1]),
                topk=self.topk,
                category_ids=self.category_ids,
            )
        return data_samples


def _levels(pixel_decoder: dict) -> int:
    """Return the number of scales that queries look at."""
    return pixel_decoder['encoder']['layer_cfg']['self_attn_cfg']['num_levels']
