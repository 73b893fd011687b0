"""Propagate masks by correlation of features that were learnt from colour."""

from collections import deque
from collections.abc import Iterable
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float, Integer
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.nn import functional as F

from slotkd.models.losses.loss_terms import check_finite, training_step
from slotkd.models.video.vos_masks import count_objects, with_masks
from slotkd.models.video.vos_tracker import nearest_labels
from slotkd.ops.aligned_resize import resize_aligned
from slotkd.ops.choices import check_choice
from slotkd.ops.color import rgb_to_lab
from slotkd.ops.deform_sample import normalize_points, reference_points
from slotkd.ops.local_correlation import coarse_rows, local_logits, read_local
from slotkd.ops.masks import pick_nearest
from slotkd.registry import MODELS
from slotkd.structures import VideoDataSample, VosOutput

MODES = ('tensor', 'loss', 'predict')
UNUSED = -1e10
VOID = 255
_SURE = 1e-4  # probabilities are kept this far from 0


@MODELS.register_module()
class ColorPropagation(BaseModel):
    """Follow regions by features that can copy colour from frame to frame.

    Trained without any label: one of the two colour channels of a clip is
    withheld from the network, which must rebuild it in each frame by copying
    from the frame before, weighing the cells of a local window by the
    products of features. The same weights copy masks afterwards.

    Args:
        backbone: Config or module with ``feat_dim``, Lab images (B, 3, H, W)
            to features at stride 4 with one more than H / 4 cells.
        dim: Width of the compared features.
        train_radius: Cells of the window to each side in training.
        radius: The same in propagation.
        num_recent: Latest frames that are copied from beside the reference.
        max_objects: Channels of the record beside the background.
        row_step: Cells between the queries whose attention is recorded, the
            record's grid: 4 gives stride 16.
        mean: Mean that inputs were normalised with.
        std: Deviation that inputs were normalised with.
        data_preprocessor: Config of the preprocessor.
        init_cfg: mmengine's weight initialisation.

    Raises:
        ValueError: If a radius or a count is below 1.

    Source:
        Lai et al., MAST, arXiv:2002.07793, zlai0/MAST: Lab input, a dropped
        channel, stride 4, radius 6 and 12, Huber loss on values times 20.
        Differs: products are divided by the root of the width; the memory is
        the reference and the latest frames.
    """

    def __init__(
        self,
        backbone: dict | nn.Module,
        dim: int = 64,
        *,
        train_radius: int = 6,
        radius: int = 12,
        num_recent: int = 3,
        max_objects: int = 10,
        row_step: int = 4,
        mean: float | int = 127.5,
        std: float | int = 127.5,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        numbers = dict(
            train_radius=train_radius,
            radius=radius,
            num_recent=num_recent,
            max_objects=max_objects,
            row_step=row_step,
        )
        for name, value in numbers.items():
            if value < 1:
                raise ValueError(f'{name} must be at least 1, got {value}')
        features: Any = (
            backbone
            if isinstance(backbone, nn.Module)
            else MODELS.build(backbone)
        )
        self.backbone = features
        self.head = nn.Conv2d(features.feat_dim, dim, 1)
        self.train_radius = train_radius
        self.radius = radius
        self.num_recent = num_recent
        self.max_objects = max_objects
        self.row_step = row_step
        self.mean = mean
        self.std = std

    def forward(
        self,
        inputs: Float[Tensor, 'B T 3 H W'],
        data_samples: list[VideoDataSample] | None = None,
        mode: str = 'tensor',
    ) -> Any:
        """Return features, losses or predictions of clips.

        Args:
            inputs: Normalised frames.
            data_samples: One sample for each clip, for ``'predict'``.
            mode: ``'tensor'``, ``'loss'`` or ``'predict'``.
        """
        check_choice('mode', mode, MODES)
        if mode == 'loss':
            return self.loss(inputs)
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        return self.encode(self.to_lab(inputs))

    def to_lab(
        self, inputs: Float[Tensor, 'B T 3 H W']
    ) -> Float[Tensor, 'B T 3 H W']:
        """Undo the normalisation and convert to Lab in about [-1, 1]."""
        images = (inputs.flatten(0, 1) * self.std + self.mean) / 255
        return rgb_to_lab(images).unflatten(0, inputs.shape[:2])

    def encode(
        self, lab: Float[Tensor, 'B T 3 H W']
    ) -> Float[Tensor, 'B T D h4 w4']:
        """Return the features that are compared."""
        features = self.head(self.backbone(lab.flatten(0, 1)))
        return features.unflatten(0, lab.shape[:2])

    def loss(self, inputs: Float[Tensor, 'B T 3 H W']) -> dict[str, Tensor]:
        """Return how badly the withheld channel was rebuilt."""
        lab = self.to_lab(inputs)
        withheld = int(torch.randint(1, 3, ()))
        kept = torch.ones(3, 1, 1, device=lab.device)
        kept[withheld] = 0
        features = self.encode(1.5 * kept * lab)
        cells = (features.shape[3], features.shape[4])
        color = pick_nearest(lab[:, :, withheld, None], cells)
        attn = self.attend(
            features[:, 1:].flatten(0, 1),
            [features[:, :-1].flatten(0, 1)],
            self.train_radius,
        )
        copied = read_local(attn[:, 0], color[:, :-1].flatten(0, 1))
        loss = F.smooth_l1_loss(20 * copied, 20 * color[:, 1:].flatten(0, 1))
        losses = dict(loss_color=loss)
        check_finite(losses, training_step())
        return losses

    def predict(
        self,
        inputs: Float[Tensor, 'B T 3 H W'],
        data_samples: list[VideoDataSample] | None = None,
    ) -> list[VideoDataSample]:
        """Add each pixel's object to the samples, at the size of the truth.

        Args:
            inputs: Normalised frames.
            data_samples: Their true masks, of which the first is read.
        """
        samples = with_masks(data_samples)
        for clip, sample in zip(inputs, samples, strict=True):
            sample.pred_masks = self.follow(clip, sample.gt_masks)
        return samples

    def follow(
        self,
        clip: Float[Tensor, 'T 3 H W'],
        masks: Integer[Tensor, 'T _ _'],
    ) -> Integer[Tensor, 'T _ _']:
        """Propagate the first of the masks through one clip."""
        size = (masks.shape[1], masks.shape[2])
        first = nearest_labels(masks[0], (clip.shape[2], clip.shape[3]))
        counts = count_objects(masks[:1])
        shares, _ = self.copy_masks(clip[None], first[None])
        labels = [
            resize_aligned(_to_logits(share, counts).softmax(dim=1), size)
            .argmax(dim=1)
            .squeeze(0)
            for share in shares
        ]
        given = masks[0].masked_fill(masks[0] == VOID, 0)
        return torch.stack([given, *labels[1:]])

    def attend(
        self,
        queries: Float[Tensor, 'B D h4 w4'],
        keys: list[Float[Tensor, 'B D h4 w4']],
        radius: int,
    ) -> Float[Tensor, 'B F P h4 w4']:
        """Weigh the windows of all memory frames, to the sum of 1."""
        scaled = queries.float() / queries.shape[1] ** 0.5
        logits = [local_logits(scaled, key.float(), radius) for key in keys]
        weights = torch.cat(logits, dim=1).softmax(dim=1)
        return weights.unflatten(1, (len(keys), -1))

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
            first_masks: Object of each pixel of the first frame; void counts
                as background.
            num_objects: Objects of each clip.
            memory_labels: Copied from instead of the model's own prediction.
            fields: What the caller reads; ``'attn'`` costs memory.
        """
        wanted = {'attn', 'positions'} if fields is None else set(fields)
        shares, rows = self.copy_masks(
            inputs,
            first_masks,
            memory_labels,
            with_rows=bool(wanted & {'attn', 'positions'}),
        )
        return self.record(shares, inputs, num_objects, tuple(rows))

    def copy_masks(
        self,
        inputs: Float[Tensor, 'B T 3 H W'],
        first_masks: Integer[Tensor, 'B H W'],
        memory_labels: Integer[Tensor, 'B T H W'] | None = None,
        *,
        with_rows: bool = False,
    ) -> tuple[
        list[Float[Tensor, 'B V h4 w4']], list[Float[Tensor, 'B N _ M']]
    ]:
        """Return each object's share of each cell, frame by frame.

        Args:
            inputs: Normalised frames.
            first_masks: Object of each pixel of the first frame.
            memory_labels: See :meth:`run`.
            with_rows: Return the attention of the frames after the first.
        """
        lab = self.to_lab(inputs)
        reference: tuple[Tensor, Tensor] | None = None
        recent: deque[tuple[Tensor, Tensor]] = deque(maxlen=self.num_recent)
        masks, rows = [], []
        for t in range(inputs.shape[1]):
            features = self.encode(lab[:, t : t + 1])[:, 0]
            if reference is None:
                mask = self.soft_masks(first_masks, features)
                reference = features, mask
            else:
                memory = [reference, *recent]
                keys = [key for key, _ in memory]
                attn = self.attend(features, keys, self.radius)
                mask = _read_memory(attn, [value for _, value in memory])
                if memory_labels is None:
                    recent.append((features, mask))
                else:
                    given = self.soft_masks(memory_labels[:, t], features)
                    recent.append((features, given))
                if with_rows:
                    rows.append(self.rows(attn))
            masks.append(mask)
        return masks, rows

    def soft_masks(
        self,
        labels: Integer[Tensor, 'B H W'],
        features: Float[Tensor, 'B D h4 w4'],
    ) -> Float[Tensor, 'B V h4 w4']:
        """Return which object each cell belongs to; void is background."""
        labels = labels.masked_fill(labels == VOID, 0)
        if int(labels.max()) > self.max_objects:
            raise ValueError(
                f'a mask has object {int(labels.max())}, the model is made '
                f'for {self.max_objects}'
            )
        nearest = pick_nearest(labels, (features.shape[2], features.shape[3]))
        channels = F.one_hot(nearest, self.max_objects + 1)
        return channels.movedim(-1, 1).to(features.dtype)

    def rows(
        self, attn: Float[Tensor, 'B F P h4 w4']
    ) -> Float[Tensor, 'B N F M']:
        """Return attention as rows over the whole, coarser grid."""
        coarse = coarse_rows(attn.flatten(0, 1), self.row_step)
        return rearrange(coarse, '(b f) n m -> b n f m', b=len(attn))

    def record(
        self,
        masks: list[Float[Tensor, 'B V h4 w4']],
        inputs: Float[Tensor, 'B T 3 H W'],
        num_objects: Integer[Tensor, ' B'],
        rows: tuple[Float[Tensor, 'B N _ M'], ...],
    ) -> VosOutput:
        """Turn shares into logits and labels."""
        logits = torch.stack(
            [_to_logits(share, num_objects) for share in masks], dim=1
        )
        maps = resize_aligned(
            logits.flatten(0, 1), (inputs.shape[3], inputs.shape[4])
        )
        h, w = ((side - 1) // self.row_step + 1 for side in logits.shape[3:])
        places = _grid_places((h, w), logits)
        return VosOutput(
            logits=logits,
            labels=maps.argmax(dim=1).unflatten(0, inputs.shape[:2]),
            num_objects=num_objects,
            grid=(h, w),
            attn=(rows,) if rows else None,
            positions=(
                (tuple(places.expand(*r.shape[::2], -1, -1) for r in rows),)
                if rows
                else None
            ),
        )


def _to_logits(
    shares: Float[Tensor, 'B V h4 w4'], num_objects: Integer[Tensor, ' B']
) -> Float[Tensor, 'B V h4 w4']:
    """Return logits of which the shares are the softmax."""
    channel = torch.arange(shares.shape[1], device=shares.device)
    unused = channel > num_objects[:, None]
    logits = shares.clamp(min=_SURE).log()
    return logits.masked_fill(unused[..., None, None], UNUSED)


def _grid_places(grid: tuple[int, int], like: Tensor) -> Float[Tensor, 'N 2']:
    """Return the cells' centres, (x, y), with the border ones at -1 and 1."""
    return normalize_points(reference_points(grid, 1, like), grid)


def _read_memory(
    attn: Float[Tensor, 'B F P h4 w4'],
    values: list[Float[Tensor, 'B V h4 w4']],
) -> Float[Tensor, 'B V h4 w4']:
    """Sum what is read from each memory frame."""
    frames = zip(attn.unbind(1), values, strict=True)
    return torch.stack([read_local(*pair) for pair in frames]).sum(dim=0)
