"""Match queries to annotated objects by class and mask, in space and time."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor
from torch.nn import functional as F

from slotkd.ops.matching import hungarian_match
from slotkd.ops.precision import at_least_fp32

# Cost of a row that stands for no object: others are matched first.
_PADDING = 1e6


def mask_coverage(
    masks: Bool[Tensor, '*N H W'], grid: Sequence[int]
) -> Float[Tensor, '*N h w']:
    """Share of each cell of a grid that a mask covers.

    Args:
        masks: Masks of any number of axes.
        grid: Height and width of the grid.

    Returns:
        Values in [0, 1]; 0.5 and more is inside.
    """
    height, width = masks.shape[-2:]
    images = masks.reshape(-1, 1, height, width).float()
    cells = F.adaptive_avg_pool2d(images, (grid[0], grid[1]))
    return cells.reshape(*masks.shape[:-2], *grid)


def tube_iou(
    predicted: Bool[Tensor, 'B U T h w'], true: Bool[Tensor, 'B O T h w']
) -> Float[Tensor, 'B U O']:
    """Intersection over union of tubes, both summed over all frames.

    A frame in which one is absent adds the other's cells to the union. Two
    empty tubes have 0.

    Args:
        predicted: Masks of one set of tubes.
        true: Masks of another on the same grid.

    Returns:
        Values in [0, 1].

    Source:
        Yang et al., Video Instance Segmentation, ICCV 2019,
        arXiv:1905.04804, Sec. 3.
    """
    first, second = predicted.flatten(2).float(), true.flatten(2).float()
    with torch.autocast(first.device.type, enabled=False):
        common = first @ second.mT
    union = first.sum(dim=2)[:, :, None] + second.sum(dim=2)[:, None] - common
    return common / union.clamp(min=1)


def matching_cost(
    cls_logits: Float[Tensor, 'N U V'],
    mask_logits: Float[Tensor, 'N U P'],
    labels: Integer[Tensor, 'N O'],
    coverage: Float[Tensor, 'N O P'],
    *,
    weights: Sequence[float | int] = (2.0, 5.0, 5.0),
) -> Float[Tensor, 'N U O']:
    """Cost of giving an object to a query: class, cross-entropy and Dice.

    ``-w0 p(class) + w1 BCE + w2 (1 - (2 sum(m c) + 1) / (sum m + sum c +
    1))`` with the probability m of the mask and the coverage c.

    Args:
        cls_logits: Class scores; the last class is "no object".
        mask_logits: Masks before the sigmoid; the points of all frames of a
            tube lie on one axis.
        labels: Class of each object; of negative ones the cost means
            nothing.
        coverage: Share in [0, 1] of each point that an object covers.
        weights: Of class, cross-entropy and Dice.

    Returns:
        Costs, the smaller the better.

    Source:
        Cheng et al., Mask2Former, CVPR 2022, arXiv:2112.01527, Sec. 3.2.1,
        as in open-mmlab/mmdetection v3.3.0. Differs: every cell of the
        stride-4 grid instead of 12,544 random points; there are about as
        many, and equal input gives equal matches.
    """
    logits = at_least_fp32(mask_logits)
    coverage = coverage.to(logits.dtype)
    probs = at_least_fp32(cls_logits).softmax(dim=2)
    index = labels.clamp(min=0)[:, None].expand(-1, probs.shape[1], -1)
    masks = logits.sigmoid()
    size = masks.sum(dim=2)[:, :, None] + coverage.sum(dim=2)[:, None]
    with torch.autocast(logits.device.type, enabled=False):
        entropy = F.softplus(-logits) @ coverage.mT
        entropy = entropy + F.softplus(logits) @ (1 - coverage).mT
        dice = 1 - (2 * masks @ coverage.mT + 1) / (size + 1)
    points = max(logits.shape[2], 1)
    by_class, by_entropy, by_dice = weights
    return (
        by_entropy * entropy / points
        + by_dice * dice
        - by_class * probs.gather(2, index)
    )


@torch.no_grad()
def match_queries(
    cls_logits: Float[Tensor, 'N U V'],
    mask_logits: Float[Tensor, 'N U P'],
    labels: Integer[Tensor, 'N O'],
    coverage: Float[Tensor, 'N O P'],
    *,
    present: Bool[Tensor, 'N O'],
) -> Integer[Tensor, 'N O']:
    """Give each object the query of the cheapest one-to-one assignment.

    Args:
        cls_logits: See :func:`matching_cost`, as are the following.
        mask_logits: Masks before the sigmoid.
        labels: Class of each object.
        coverage: Share of each point that an object covers.
        present: Objects to be matched.

    Returns:
        Query of each object; -1 for those not present, and for those left
        over where there are more objects than queries.
    """
    cost = matching_cost(cls_logits, mask_logits, labels, coverage)
    cost = cost.mT.where(present[:, :, None], _PADDING)
    return hungarian_match(cost, maximize=False).where(present, -1)
