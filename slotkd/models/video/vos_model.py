"""The mask-propagation model: wires the parts and returns a record."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float, Integer
from mmengine.model import BaseModel
from torch import Tensor, nn

from slotkd.models.losses.loss_terms import LossTerms, training_step
from slotkd.models.propagation import (
    IdentityBank,
    MaskDecoder,
    PropagatedFrame,
    Reading,
    one_hot_masks,
)
from slotkd.models.video.load_weights import init_from_file
from slotkd.models.video.vos_masks import (
    VOID,
    count_objects,
    true_masks,
    with_masks,
)
from slotkd.models.video.vos_tracker import follow_masks
from slotkd.ops.aligned_resize import aligned_size, resize_aligned
from slotkd.ops.choices import check_choice
from slotkd.ops.identities import draw_identities, to_channels, to_labels
from slotkd.ops.masks import pick_nearest
from slotkd.ops.over_time import chunked
from slotkd.ops.precision import at_least_fp32
from slotkd.registry import MODELS
from slotkd.structures import VideoDataSample, VosOutput

MODES = ('tensor', 'loss', 'predict')
UNUSED = -1e10

Map = Float[Tensor, 'B _ _ _']


@dataclass(frozen=True, kw_only=True)
class EncodedFrame:
    """One frame after the backbone.

    Args:
        maps: At strides 4, 8 and 16.
        tokens: What is propagated.
        grid: Token grid (h, w).
    """

    maps: tuple[Map, ...]
    tokens: Float[Tensor, 'B N D']
    grid: tuple[int, int]


@MODELS.register_module()
class VosModel(BaseModel):
    """Propagate the masks of a first frame through a video.

    Frames are resized to the nearest size of 16 k + 1 pixels, so that maps
    of all strides share their corners.

    Args:
        backbone: Config or module with ``feat_dims``, (B, 3, H, W) to maps at
            strides 4, 8 and 16, and perhaps a last at 16 to propagate.
        propagator: Config or module, see
            :class:`slotkd.models.propagation.MaskPropagator`.
        num_objects: Most objects of a clip; the identity bank has one more
            channel, for the background.
        shuffle_identities: Give each training clip's objects random channels
            of the bank, so that all are trained; the output has them in
            order.
        label_iters: Training iterations in which the true masks are written
            to the memory; later the model's own, and the identity bank gets
            no gradient (distributed training then needs
            ``find_unused_parameters``).
        with_late_objects: In ``'predict'``, take over objects from the true
            masks at the first frame in which they have one (YouTube-VOS),
            not from the first frame alone (DAVIS).
        losses: Terms for :class:`slotkd.models.losses.LossTerms` that read
            this model's record.
        frames_per_pass: Most frames that the backbone sees at once where no
            gradient is kept.
        data_preprocessor: Config of the preprocessor.
        init_cfg: ``dict(type='Pretrained', checkpoint=path)`` of such a
            model, alone or as a distiller's student; it loads strictly.

    Raises:
        ValueError: If an option is out of range.

    Source:
        Yang et al., DeAOT, NeurIPS 2022, arXiv:2210.09782, with the
        deformable memory of Truong et al., arXiv:2401.13937, as far as it is
        publicly described; not a verified replica of the latter.
    """

    def __init__(
        self,
        backbone: dict | nn.Module,
        propagator: dict | nn.Module,
        *,
        num_objects: int = 10,
        shuffle_identities: bool = True,
        label_iters: int = 50_000,
        with_late_objects: bool = False,
        losses: dict[str, dict[str, Any]] | None = None,
        frames_per_pass: int = 16,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        if num_objects < 1 or frames_per_pass < 1:
            raise ValueError(
                'num_objects and frames_per_pass must be at least 1, got '
                f'{num_objects} and {frames_per_pass}'
            )
        self.backbone = _build(backbone)
        self.propagator = _build(propagator)
        token_dim = self.propagator.token_dim
        dims = self.backbone.feat_dims
        self.neck = nn.Conv2d(dims[-1], token_dim, 1)
        self.bank = IdentityBank(token_dim, num_objects=num_objects)
        self.decoder = MaskDecoder(
            token_dim, skip_dims=dims[:3], num_channels=num_objects + 1
        )
        self.num_objects = num_objects
        self.shuffle_identities = shuffle_identities
        self.label_iters = label_iters
        self.with_late_objects = with_late_objects
        self.frames_per_pass = frames_per_pass
        self.losses = LossTerms(losses or {}, ('output',))

    def init_weights(self) -> None:
        """Load the file that ``init_cfg`` names, or initialise the parts."""
        if init_from_file(self):
            self._is_init = True
        else:
            super().init_weights()

    def forward(
        self,
        inputs: Float[Tensor, 'B T 3 H W'],
        data_samples: list[VideoDataSample] | None = None,
        mode: str = 'tensor',
    ) -> VosOutput | dict[str, Tensor] | list[VideoDataSample]:
        """Return the record, the losses or the predictions of clips.

        Args:
            inputs: Normalised frames.
            data_samples: One sample for each clip, whose ``gt_masks`` begin
                with the masks to propagate.
            mode: ``'tensor'``, ``'loss'`` or ``'predict'``.
        """
        check_choice('mode', mode, MODES)
        if mode == 'tensor':
            masks = true_masks(data_samples)
            first = masks[:, 0]
            return self.run(inputs, first, count_objects(first))
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        return self.predict(inputs, data_samples)

    def loss(
        self,
        inputs: Float[Tensor, 'B T 3 H W'],
        data_samples: list[VideoDataSample] | None = None,
    ) -> dict[str, Tensor]:
        """Return the loss terms of clips with true masks."""
        if not self.losses.losses:
            raise ValueError(
                'VosModel has no loss terms to train with; set losses'
            )
        return self.record_and_losses(inputs, data_samples)[1]

    def record_and_losses(
        self,
        inputs: Float[Tensor, 'B T 3 H W'],
        data_samples: list[VideoDataSample] | None = None,
        fields: Iterable[str] = (),
    ) -> tuple[VosOutput, dict[str, Tensor]]:
        """Return the record of a supervised step, and its losses.

        The record's labels are the true masks.

        Args:
            inputs: Normalised frames.
            data_samples: Their true masks; objects that appear after the
                first frame count as background.
            fields: What the caller reads, beside what the losses read.
        """
        truth = true_masks(data_samples)
        first = truth[:, 0]
        counts = count_objects(first)
        late = (truth > counts[:, None, None, None]) & (truth != VOID)
        truth = truth.masked_fill(late, 0)
        output = self.run(
            inputs,
            first,
            counts,
            self.memory_labels(truth),
            self.losses.fields('output') | set(fields),
        )
        output = replace(output, labels=truth)
        return output, self.losses(output)

    def memory_labels(
        self, labels: Integer[Tensor, 'B T H W']
    ) -> Integer[Tensor, 'B T H W'] | None:
        """Return labels as long as training writes them to the memory."""
        return labels if training_step() < self.label_iters else None

    def predict(
        self,
        inputs: Float[Tensor, 'B T 3 H W'],
        data_samples: list[VideoDataSample] | None = None,
    ) -> list[VideoDataSample]:
        """Add each pixel's object to the samples, at the size of the truth.

        Args:
            inputs: Normalised frames of whole videos.
            data_samples: Their true masks, read where objects are given.
        """
        samples = with_masks(data_samples)
        for clip, sample in zip(inputs, samples, strict=True):
            sample.pred_masks = follow_masks(
                self,
                clip,
                sample.gt_masks,
                with_late_objects=self.with_late_objects,
            )
        return samples

    def run(
        self,
        inputs: Float[Tensor, 'B T 3 H W'],
        first_masks: Integer[Tensor, 'B H W'],
        num_objects: Integer[Tensor, ' B'],
        memory_labels: Integer[Tensor, 'B T H W'] | None = None,
        fields: Iterable[str] | None = None,
    ) -> VosOutput:
        """Propagate the masks of the first frames.

        Args:
            inputs: Normalised frames.
            first_masks: Object of each pixel of the first frame; 255 void.
            num_objects: Objects of each clip.
            memory_labels: Written to the memory instead of the model's own
                prediction; the first frame of them is not read.
            fields: What the caller reads; ``attn`` and ``positions`` are
                kept only if they are among it. None keeps all.
        """
        self._check_count(num_objects)
        size = aligned_size((inputs.shape[3], inputs.shape[4]))
        frames = self.encode_clip(inputs, size)
        identities = self._identities(len(inputs), inputs.device)
        learns_bank = not self.training or memory_labels is not None
        started, state = self.propagator.start(
            frames[0].tokens,
            frames[0].grid,
            self.embed(first_masks, size, identities, learns=learns_bank),
        )
        logits = [self.decode(started, frames[0], num_objects, identities)]
        readings = []
        for t, encoded in enumerate(frames[1:], start=1):
            frame = self.propagator.step(encoded.tokens, state)
            logits.append(self.decode(frame, encoded, num_objects, identities))
            readings.append(_kept(frame.readings, fields))
            if t + 1 < len(frames):
                written = (
                    hard_labels(logits[-1], size)
                    if memory_labels is None
                    else memory_labels[:, t]
                )
                tokens = self.embed(
                    written, size, identities, learns=learns_bank
                )
                state = self.propagator.write(state, frame, tokens)
        shape = (inputs.shape[3], inputs.shape[4])
        labels = [hard_labels(frame, shape) for frame in logits[1:]]
        attn, positions = _by_layer(readings, len(self.propagator.layers))
        return VosOutput(
            logits=torch.stack(logits, dim=1),
            labels=torch.stack([first_masks.long(), *labels], dim=1),
            num_objects=num_objects,
            grid=frames[0].grid,
            attn=attn if _asked('attn', fields) else None,
            positions=positions if _asked('positions', fields) else None,
        )

    def encode_clip(
        self, inputs: Float[Tensor, 'B T 3 H W'], size: tuple[int, int]
    ) -> list[EncodedFrame]:
        """Return the frames of clips after the backbone.

        Args:
            inputs: Normalised frames.
            size: What they are resized to.
        """
        batch = len(inputs)
        maps = chunked(
            lambda images: tuple(self.backbone(resize_aligned(images, size))),
            inputs.flatten(0, 1),
            size=None if torch.is_grad_enabled() else self.frames_per_pass,
        )
        projected = self.neck(maps[-1])
        grid = (projected.shape[2], projected.shape[3])
        tokens = rearrange(projected, '(b t) c h w -> t b (h w) c', b=batch)
        by_frame = zip(
            *(m.unflatten(0, (batch, -1)).unbind(1) for m in maps[:3]),
            strict=True,
        )
        return [
            EncodedFrame(maps=tuple(frame), tokens=token, grid=grid)
            for frame, token in zip(by_frame, tokens, strict=True)
        ]

    def embed(
        self,
        labels: Integer[Tensor, 'B H W'],
        size: tuple[int, int],
        identities: Integer[Tensor, 'B V'] | None = None,
        *,
        learns: bool = True,
    ) -> Float[Tensor, 'B N D']:
        """Return masks through the identity bank.

        Args:
            labels: Object of each pixel, of any size.
            size: Size of the frames in the network.
            identities: Channel of each object; None: its number.
            learns: Let gradients reach the bank.
        """
        labels = pick_nearest(labels, size)
        if identities is not None:
            labels = to_channels(labels, identities)
        masks = one_hot_masks(labels, self.num_objects + 1)
        return self.bank(masks, is_frozen=not learns)

    def decode(
        self,
        frame: PropagatedFrame,
        encoded: EncodedFrame,
        num_objects: Integer[Tensor, ' B'],
        identities: Integer[Tensor, 'B V'] | None = None,
    ) -> Float[Tensor, 'B V h4 w4']:
        """Return the object logits of a frame, in fp32.

        Args:
            frame: What was propagated to it.
            encoded: The frame.
            num_objects: Objects of each clip; other channels get -1e10.
            identities: Channel of each object; None: its number.
        """
        logits = at_least_fp32(self.decoder(frame.streams, encoded.maps))
        if identities is not None:
            logits = to_labels(logits, identities)
        channel = torch.arange(logits.shape[1], device=logits.device)
        unused = channel > num_objects[:, None]
        return logits.masked_fill(unused[..., None, None], UNUSED)

    def _check_count(self, num_objects: Integer[Tensor, ' B']) -> None:
        most = int(num_objects.max())
        if most > self.num_objects:
            raise ValueError(
                f'a clip has {most} objects, but the model has num_objects='
                f'{self.num_objects}; give VosClipDataset max_objects='
                f'{self.num_objects}'
            )

    def _identities(
        self, batch: int, device: torch.device
    ) -> Integer[Tensor, 'B V'] | None:
        if not (self.training and self.shuffle_identities):
            return None
        return draw_identities(batch, self.num_objects, device)


def hard_labels(
    logits: Float[Tensor, 'B V h4 w4'], size: tuple[int, int]
) -> Integer[Tensor, 'B H W']:
    """Return the object of each pixel of a size."""
    return resize_aligned(logits.detach(), size).max(dim=1).indices


def _build(part: dict | nn.Module) -> Any:
    return part if isinstance(part, nn.Module) else MODELS.build(part)


def _asked(name: str, fields: Iterable[str] | None) -> bool:
    return fields is None or name in fields


def _kept(
    readings: Sequence[Reading], fields: Iterable[str] | None
) -> list[tuple[Tensor, Tensor]]:
    """Return what a record keeps of the readings of a frame's layers."""
    if not (_asked('attn', fields) or _asked('positions', fields)):
        return []
    return [(reading.attn, reading.positions) for reading in readings]


def _by_layer(
    readings: Sequence[Sequence[tuple[Tensor, Tensor]]], num_layers: int
) -> tuple[tuple[tuple[Tensor, ...], ...], tuple[tuple[Tensor, ...], ...]]:
    """Return attention and positions, layers outside and frames inside."""
    frames = [frame for frame in readings if frame]
    attn, positions = (
        tuple(
            tuple(frame[layer][part] for frame in frames)
            for layer in range(num_layers)
        )
        for part in range(2)
    )
    return attn, positions
