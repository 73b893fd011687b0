"""Quality control: which of a teacher's labels a student may trust."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor
from torch.nn import functional as F

from slotkd.structures import VosOutput

VOID = 255


@dataclass(frozen=True, kw_only=True)
class LabelRules:
    """What a propagated mask must fulfil to teach.

    Args:
        conf_thr: Pixels below this probability become void.
        clip_conf_thr: Clips are dropped whose objects have a lower mean
            probability over the pixels that were given to them.
        max_area_ratio: Clips are dropped in which the area of an object
            changes by more than this factor from one frame to the next; an
            area below one pixel counts as one.
        cycle_iou_thr: Clips are dropped whose masks, propagated back from
            the last frame, overlap the reference less than this on average
            over objects; None does not check and saves a second pass.

    Raises:
        ValueError: If a threshold is outside its range.
    """

    conf_thr: float | int = 0.7
    clip_conf_thr: float | int = 0.6
    max_area_ratio: float | int = 8
    cycle_iou_thr: float | int | None = None

    def __post_init__(self) -> None:
        for name in ('conf_thr', 'clip_conf_thr', 'cycle_iou_thr'):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f'{name}={value} is outside [0, 1]')
        if self.max_area_ratio <= 1:
            raise ValueError(
                f'max_area_ratio={self.max_area_ratio} must be above 1'
            )


def pixel_confidence(
    logits: Float[Tensor, 'B T V h w'], size: tuple[int, int]
) -> Float[Tensor, 'B T H W']:
    """Return the probability of the likeliest object of each pixel.

    Args:
        logits: Object logits, resized corner pixel on corner pixel.
        size: Height and width of the result.
    """
    maps = F.interpolate(
        logits.flatten(0, 1), size, mode='bilinear', align_corners=True
    )
    confidence = maps.softmax(dim=1).amax(dim=1)
    return confidence.unflatten(0, logits.shape[:2])


def confident_clips(
    labels: Integer[Tensor, 'B T H W'],
    confidence: Float[Tensor, 'B T H W'],
    threshold: float | int,
) -> Bool[Tensor, ' B']:
    """Say which clips have objects of sufficient mean probability.

    The reference does not count. A clip that has lost all objects passes
    here; :func:`steady_clips` is there for it.

    Args:
        labels: Predicted objects, 0 background.
        confidence: Probability of the label.
        threshold: Lowest mean.
    """
    found = labels[:, 1:] > 0
    total = (confidence[:, 1:] * found).flatten(1).sum(dim=1)
    count = found.flatten(1).sum(dim=1)
    return (count == 0) | (total >= threshold * count)


def steady_clips(
    labels: Integer[Tensor, 'B T H W'],
    num_channels: int,
    max_ratio: float | int,
) -> Bool[Tensor, ' B']:
    """Say in which clips no object's area jumps between frames.

    Args:
        labels: Predicted objects, 0 background.
        num_channels: Largest label plus one.
        max_ratio: Largest factor, in either direction.
    """
    objects = torch.arange(1, num_channels, device=labels.device)
    area = (labels[..., None] == objects).flatten(2, 3).sum(dim=2)
    area = area.clamp(min=1).float()
    low = torch.minimum(area[:, 1:], area[:, :-1])
    high = torch.maximum(area[:, 1:], area[:, :-1])
    return (high <= max_ratio * low).flatten(1).all(dim=1)


def cycle_overlap(
    returned: Integer[Tensor, 'B H W'],
    reference: Integer[Tensor, 'B H W'],
    num_objects: Integer[Tensor, ' B'],
) -> Float[Tensor, ' B']:
    """Return the mean overlap of objects after propagation there and back.

    Args:
        returned: Labels of the first frame, propagated from the last.
        reference: The mask that was given; void does not count.
        num_objects: Objects of each clip.

    Returns:
        Mean intersection over union, in [0, 1]; 1 where a clip has no
        object.
    """
    most = int(num_objects.max()) if len(num_objects) else 0
    objects = torch.arange(1, most + 1, device=reference.device)
    known = (reference != VOID)[..., None]
    back = (returned[..., None] == objects) & known
    true = (reference[..., None] == objects) & known
    both = (back & true).flatten(1, 2).sum(dim=1)
    either = (back | true).flatten(1, 2).sum(dim=1)
    iou = both / either.clamp(min=1)
    iou = torch.where(either > 0, iou, 1.0)
    used = objects <= num_objects[:, None]
    return torch.where(
        num_objects > 0,
        (iou * used).sum(dim=1) / num_objects.clamp(min=1),
        1.0,
    )


def control_labels(
    teacher: VosOutput,
    first_masks: Integer[Tensor, 'B H W'],
    rules: LabelRules,
    *,
    overlap: Float[Tensor, ' B'] | None = None,
) -> VosOutput:
    """Return the teacher's record with labels fit to teach.

    The first frame has the given mask. In later frames unsure pixels are
    void; of dropped clips every pixel is, the first frame's too, so that
    they contribute zeros to every term.

    Args:
        teacher: What the teacher predicted.
        first_masks: The masks it was given.
        rules: See :class:`LabelRules`.
        overlap: See :func:`cycle_overlap`, where the rules ask for it.

    Raises:
        ValueError: If the rules ask for an overlap that is not given.
    """
    labels = teacher.labels
    confidence = pixel_confidence(
        teacher.logits, (labels.shape[2], labels.shape[3])
    )
    channels = teacher.logits.shape[2]
    kept = confident_clips(labels, confidence, rules.clip_conf_thr)
    kept = kept & steady_clips(labels, channels, rules.max_area_ratio)
    if rules.cycle_iou_thr is not None:
        if overlap is None:
            raise ValueError(
                f'cycle_iou_thr={rules.cycle_iou_thr} needs the overlap after '
                'propagation there and back'
            )
        kept = kept & (overlap >= rules.cycle_iou_thr)
    sure = labels.masked_fill(confidence < rules.conf_thr, VOID)
    sure = torch.cat([first_masks[:, None].to(sure), sure[:, 1:]], dim=1)
    dropped = ~kept[:, None, None, None]
    return replace(teacher, labels=sure.masked_fill(dropped, VOID))
