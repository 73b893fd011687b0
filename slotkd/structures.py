"""Records that models return, samples that loaders pack, and the axis legend.

One letter has one meaning in every signature, einsum and docstring:

==== ====================================== ==== ===========================
B    clips                                  C    feature channels
T    frames                                 D    slot or query width
K    slots                                  L    pyramid levels
Q    queries                                P    sampling points
O    true objects                           A    heads
H W  pixels                                 V    classes
h w  patch grid                             N    h * w tokens
F    a student's frames of a clip           U    queries of a video teacher
==== ====================================== ==== ===========================
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Integer
from mmengine.structures import BaseDataElement
from torch import Tensor

from slotkd.ops.precision import at_least_fp32


@dataclass(frozen=True, kw_only=True)
class SlotOutput:
    """The output of every slot video model.

    Fields that no caller asked for are None. ``attn`` and ``masks`` are
    computed from the logits, at least in fp32.

    Args:
        slots: Corrected (not predicted) slots of each frame.
        slots_init: Slots the first frame starts from.
        attn_logits: Scaled query-key products of the last corrector
            iteration of each frame, before the softmax over slots.
        feats: Backbone tokens, detached where the backbone is frozen; the
            target of reconstruction.
        tokens: Tokens after the neck, the corrector's input.
        grid: Patch grid (h, w) with ``h * w == N``.
        mask_logits: Mixing logits of the decoder, before the softmax over
            slots.
        recon: Features mixed over slots with ``masks``.
        token_attn: Attention normalised over tokens, mean over the
            iterations of each frame.
    """

    slots: Float[Tensor, 'B T K D']
    slots_init: Float[Tensor, 'B K D']
    attn_logits: Float[Tensor, 'B T K N']
    feats: Float[Tensor, 'B T N C']
    tokens: Float[Tensor, 'B T N E']
    grid: tuple[int, int]
    mask_logits: Float[Tensor, 'B T K N'] | None = None
    recon: Float[Tensor, 'B T N R'] | None = None
    token_attn: Float[Tensor, 'B T K N'] | None = None

    @property
    def attn(self) -> Float[Tensor, 'B T K N']:
        """Softmax of ``attn_logits`` over slots."""
        return at_least_fp32(self.attn_logits).softmax(dim=2)

    @property
    def masks(self) -> Float[Tensor, 'B T K N'] | None:
        """Softmax of ``mask_logits`` over slots."""
        if self.mask_logits is None:
            return None
        return at_least_fp32(self.mask_logits).softmax(dim=2)


@dataclass(frozen=True, kw_only=True)
class CorrectorOutput:
    """The output of a corrector on one frame.

    Args:
        slots: Corrected slots.
        attn_logits: Scaled query-key products of the last iteration.
        token_attn: Attention normalised over tokens, mean over iterations.
        geometry: Position (x, y) and scale (x, y) of each slot in frame
            coordinates, where the frame spans -1 to 1; None where the
            corrector keeps none.
    """

    slots: Float[Tensor, 'B K D']
    attn_logits: Float[Tensor, 'B K N']
    token_attn: Float[Tensor, 'B K N']
    geometry: Float[Tensor, 'B K 4'] | None = None


@dataclass(frozen=True, kw_only=True)
class DecoderOutput:
    """The output of a decoder on one batch of frames."""

    recon: Float[Tensor, 'B N R']
    mask_logits: Float[Tensor, 'B K N']


@dataclass(frozen=True, kw_only=True)
class SlotState:
    """What a slot video model carries from one frame to the next."""

    slots: Float[Tensor, 'B K D']
    geometry: Float[Tensor, 'B K 4'] | None = None


@dataclass(frozen=True, kw_only=True)
class VosOutput:
    """The output of every mask-propagation model on a batch of clips.

    Channel 0 is the background, channel o is object o; channels of objects
    that a clip does not have hold -1e10. The first frame is the reference,
    whose mask the model was given.

    Args:
        logits: Object logits at stride 4, fp32; resized bilinearly, corner
            pixel on corner pixel, they give those of the input's pixels.
        labels: Object of each input pixel, 255 for "do not count". The
            argmax of the prediction in what a model returns from ``run``;
            the truth in a supervised training step; pseudo-labels after
            quality control in a teacher's record for distillation.
        num_objects: Objects of each clip.
        grid: Token grid (h, w) with ``h * w == N``.
        attn: Long-term attention, ``attn[layer][t - 1]`` of frame t from 1
            on (the reference attends to itself and is left out): weights
            (B, N, F, M) of M samples in each of F memory frames, which sum
            to 1 over both. None where no caller asked for it.
        positions: Where the samples were taken, ``positions[layer][t - 1]``
            (B, F, M, 2), (x, y); -1 and 1 are the centres of the border
            cells of the memory frame, and offsets may lead beyond. The mean
            over groups of channels where they move apart. None where no
            caller asked for it.
    """

    logits: Float[Tensor, 'B T V h4 w4']
    labels: Integer[Tensor, 'B T H W']
    num_objects: Integer[Tensor, ' B']
    grid: tuple[int, int]
    attn: tuple[tuple[Float[Tensor, 'B N _ _'], ...], ...] | None = None
    positions: tuple[tuple[Float[Tensor, 'B _ _ 2'], ...], ...] | None = None

    @property
    def probs(self) -> Float[Tensor, 'B T V h4 w4']:
        """Softmax of ``logits`` over channels; 0 for unused ones."""
        return at_least_fp32(self.logits).softmax(dim=2)


@dataclass(frozen=True, kw_only=True)
class TrackTargets:
    """The annotated tracks of a batch of clips.

    Args:
        labels: Class of each track from 0; -1 where the clip has fewer
            tracks than the batch's most.
        masks: Pixels of each track; none where it is absent.
        ids: Identity of each track in each frame; -1 where absent.
    """

    labels: Integer[Tensor, 'B O']
    masks: Bool[Tensor, 'B O T H W']
    ids: Integer[Tensor, 'B O T']

    @property
    def visible(self) -> Bool[Tensor, 'B O T']:
        """Whether a track has a pixel in a frame."""
        return self.masks.flatten(3).any(dim=3)


@dataclass(frozen=True, kw_only=True)
class QueryOutput:
    """The output of an online model: queries of single frames.

    The last fields are known in training only.

    Args:
        cls_logits: Class scores of each query; the last class is "no
            object".
        mask_logits: Mask of each query before the sigmoid, at stride 4.
        embeds: Normalised decoder output of each query.
        reid: Embedding for association; None where the model has no such
            head and its decoder output serves.
        frames: Frame of the clip that each was taken from.
        match: Query of each annotated track, -1 where it has none.
        targets: The annotated tracks of the whole clip.
    """

    cls_logits: Float[Tensor, 'B F Q V']
    mask_logits: Float[Tensor, 'B F Q h w']
    embeds: Float[Tensor, 'B F Q D']
    reid: Float[Tensor, 'B F Q D'] | None = None
    frames: Integer[Tensor, 'B F'] | None = None
    match: Integer[Tensor, 'B F O'] | None = None
    targets: TrackTargets | None = None

    @property
    def features(self) -> Float[Tensor, 'B F Q D']:
        """The embedding that is distilled and tracked."""
        return self.embeds if self.reid is None else self.reid


@dataclass(frozen=True, kw_only=True)
class VideoQueryOutput:
    """The output of an offline model: each query follows a whole clip.

    Args:
        cls_logits: Class scores of each query; the last class is "no
            object".
        mask_logits: Mask of each query in each frame before the sigmoid.
        embeds: Normalised decoder output of each query.
    """

    cls_logits: Float[Tensor, 'B U V']
    mask_logits: Float[Tensor, 'B U T h w']
    embeds: Float[Tensor, 'B U D']


@dataclass(frozen=True, kw_only=True)
class SegOutput:
    """What a segmentor says about a batch of images, each map on its grid.

    Of a teacher, also what a slot model says about the same images. Fields
    that no caller asked for are None or empty.

    Args:
        logits: Class scores of the decode head, before the softmax; one
            channel is the score of class 1 of two.
        feats: Maps of the backbone, or of the neck where there is one, level
            by level.
        aux_logits: Class scores of each auxiliary head.
        peer_logits: Class scores of a second student that learns beside the
            first.
        slot_maps: Maps of a :class:`slotkd.models.video.SlotBackbone`.
        labels: Class of each input pixel; 255 for "do not count".
    """

    logits: Float[Tensor, 'B V h w'] | None = None
    feats: tuple[Float[Tensor, 'B _ _ _'], ...] = ()
    aux_logits: tuple[Float[Tensor, 'B _ _ _'], ...] = ()
    peer_logits: Float[Tensor, 'B _ _ _'] | None = None
    slot_maps: tuple[Float[Tensor, 'B _ _ _'], ...] = ()
    labels: Integer[Tensor, 'B H W'] | None = None


@dataclass(frozen=True, kw_only=True)
class MemoryFrames:
    """Frames that one layer of a mask-propagation model remembers.

    Args:
        key: Keys of each frame.
        value: Values of each frame: what it looks like, then whose it is.
        points: Where keys and values were sampled, (x, y) in cells, for each
            group of channels; None where whole maps are kept.
        drift: Displacement of the sampling points in the frame before, which
            the next one starts from; None where each starts from zero.
    """

    key: Float[Tensor, 'B F E h w']
    value: Float[Tensor, 'B F C h w']
    points: Float[Tensor, 'B F G M 2'] | None = None
    drift: Float[Tensor, 'B F G M 2'] | None = None


@dataclass(frozen=True, kw_only=True)
class VosState:
    """What a mask-propagation model carries from one frame to the next.

    Args:
        long: Long-term memory of each layer, references first.
        short: The frame before, of each layer.
        times: When each frame of the long-term memory was seen.
        num_references: How many of these frames are references, whose masks
            were given.
        time: The frame before.
        grid: Token grid (h, w).
    """

    long: tuple[MemoryFrames, ...]
    short: tuple[MemoryFrames, ...]
    times: tuple[int, ...]
    num_references: int
    time: int
    grid: tuple[int, int]


class VideoDataSample(BaseDataElement):
    """Truth and prediction of one clip or video.

    Fields:
        gt_masks: Instance label of each pixel; 0 is background, 255 is void
            (annotated as "do not count").
        pred_masks: Slot index of each pixel at the same size.

    Metainfo: ``video_id``, ``frame_ids``, ``video_length``, ``ori_shape``
    (height and width on disk), ``img_shape`` (after the pipeline), and where
    the pipeline crops, resizes or flips ``crop_box`` (x, y, w, h in pixels of
    the resized frame), ``resized_shape`` and ``flip``.
    """

    @property
    def gt_masks(self) -> Integer[Tensor, 'T H W']:
        """Instance label of each pixel."""
        return self._gt_masks

    @gt_masks.setter
    def gt_masks(self, value: Tensor) -> None:
        self.set_field(value, '_gt_masks', dtype=torch.Tensor)

    @gt_masks.deleter
    def gt_masks(self) -> None:
        del self._gt_masks

    @property
    def pred_masks(self) -> Integer[Tensor, 'T H W']:
        """Slot index of each pixel."""
        return self._pred_masks

    @pred_masks.setter
    def pred_masks(self, value: Tensor) -> None:
        self.set_field(value, '_pred_masks', dtype=torch.Tensor)

    @pred_masks.deleter
    def pred_masks(self) -> None:
        del self._pred_masks
