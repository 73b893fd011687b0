"""Regions that stand for objects where nobody has drawn any."""

import numpy as np
import torch
from jaxtyping import Float, Integer
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from slotkd.ops.masks import pick_nearest


def kmeans_labels(
    points: Float[Tensor, 'B N C'], k: int, *, num_iters: int = 10
) -> Integer[Tensor, 'B N']:
    """Group points around k means, by Lloyd's iterations.

    The first means are k points drawn at random.

    Args:
        points: Points of each set.
        k: Number of means, at most N.
        num_iters: Iterations.

    Returns:
        Index of the nearest mean of each point.
    """
    batch, count, width = points.shape
    drawn = torch.rand(batch, count, device=points.device).topk(k).indices
    means = points.gather(1, drawn[..., None].expand(-1, -1, width))
    for _ in range(num_iters):
        nearest = torch.cdist(points, means).argmin(dim=2)
        member = F.one_hot(nearest, k).to(points.dtype)
        size = member.sum(dim=1)
        sums = member.mT @ points
        moved = sums / size.clamp(min=1)[..., None]
        means = torch.where(size[..., None] > 0, moved, means)
    return torch.cdist(points, means).argmin(dim=2)


def color_and_place(
    images: Float[Tensor, 'B 3 h w'], place_weight: float | int
) -> Float[Tensor, 'B N 5']:
    """Join the colour of each pixel with its place.

    Args:
        images: Colours on any scale; brought to deviation 1 per image.
        place_weight: Length of the frame's sides on that scale.
    """
    batch, _, h, w = images.shape
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    deviation = images.std(dim=(1, 2, 3), keepdim=True).clamp(min=1e-6)
    colors = ((images - mean) / deviation).flatten(2).mT
    y, x = torch.meshgrid(
        torch.linspace(0, 1, h, device=images.device),
        torch.linspace(0, 1, w, device=images.device),
        indexing='ij',
    )
    places = place_weight * torch.stack([y.flatten(), x.flatten()], dim=1)
    return torch.cat([colors, places.expand(batch, -1, -1)], dim=2)


def choose_regions(
    clusters: Integer[np.ndarray, 'h w'],
    *,
    min_area: float | int,
    max_area: float | int,
    max_regions: int,
    order: Float[np.ndarray, ' K'],
) -> Integer[np.ndarray, 'h w']:
    """Number connected parts of clusters that are of a fitting size.

    Args:
        clusters: Cluster of each pixel.
        min_area: Smallest part, as a share of the frame.
        max_area: Largest part, as a share of the frame.
        max_regions: Most parts that are kept.
        order: A value for each cluster: parts of low ones are kept first,
            the largest first within a cluster.

    Returns:
        0 for the rest, else the number of the part from 1.
    """
    regions = np.zeros(clusters.shape, np.int64)
    count = 0
    for cluster in np.argsort(order):
        parts, number = ndimage.label(clusters == cluster)
        areas = np.bincount(parts.ravel(), minlength=number + 1)[1:]
        shares = areas / clusters.size
        for part in np.argsort(-areas):
            if not min_area <= shares[part] <= max_area:
                continue
            if count < max_regions:
                count += 1
                regions[parts == part + 1] = count
    return regions


def propose_regions(
    images: Float[Tensor, 'B 3 H W'],
    *,
    num_clusters: int = 6,
    place_weight: float | int = 2.0,
    min_area: float | int = 0.02,
    max_area: float | int = 0.2,
    max_regions: int = 3,
    step: int = 4,
) -> tuple[Integer[Tensor, 'B H W'], Integer[Tensor, ' B']]:
    """Cut regions out of frames by colour and place, without any label.

    k-means over every ``step``-th pixel, smoothed; then connected parts of a
    fitting size, those of randomly chosen clusters first. A frame may have
    no region.

    Args:
        images: Frames, normalised anyhow.
        num_clusters: Number of means.
        place_weight: See :func:`color_and_place`.
        min_area: Smallest region, as a share of the frame.
        max_area: Largest region.
        max_regions: Most regions of a frame.
        step: Pixels from one sample to the next.

    Returns:
        Region of each pixel, 0 for none, and the number of regions.

    Source:
        Own design.
    """
    size = (images.shape[2], images.shape[3])
    smooth = F.avg_pool2d(
        images, 2 * step - 1, step, padding=step - 1, count_include_pad=False
    )
    points = color_and_place(smooth, place_weight)
    clusters = kmeans_labels(points, num_clusters)
    grids = clusters.unflatten(1, smooth.shape[2:]).cpu().numpy()
    order = torch.rand(len(images), num_clusters).numpy()
    regions = [
        choose_regions(
            grid,
            min_area=min_area,
            max_area=max_area,
            max_regions=max_regions,
            order=rank,
        )
        for grid, rank in zip(grids, order, strict=True)
    ]
    found = torch.from_numpy(np.stack(regions)).to(images.device)
    counts = found.flatten(1).amax(dim=1)
    return pick_nearest(found, size), counts
