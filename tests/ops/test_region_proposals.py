"""Regions without labels: clusters, parts, sizes."""

import numpy as np
import torch

from slotkd.ops.region_proposals import (
    choose_regions,
    color_and_place,
    kmeans_labels,
    propose_regions,
)


def test_kmeans_finds_separate_groups():
    torch.manual_seed(1)
    centres = 20 * torch.tensor([[0.0, 0], [1, 0], [0, 1]])
    truth = torch.arange(3).repeat(2, 30)
    points = centres[truth] + torch.randn(2, 90, 2)
    right = 0
    for _ in range(10):  # random means sometimes share a group
        labels = kmeans_labels(points, 3)
        pairs = {
            (int(a), int(b)) for a, b in zip(truth[0], labels[0], strict=True)
        }
        right += len(pairs) == 3
    assert right >= 3


def test_kmeans_means_are_those_of_their_points():
    points = torch.rand(2, 50, 3)
    labels = kmeans_labels(points, 4, num_iters=50)
    for b in range(2):
        used = labels[b].unique()
        means = torch.stack([points[b, labels[b] == k].mean(0) for k in used])
        nearest = used[torch.cdist(points[b], means).argmin(1)]
        assert (nearest == labels[b]).float().mean() > 0.97


def test_colour_and_place_do_not_depend_on_the_scale():
    images = torch.rand(2, 3, 4, 6)
    points = color_and_place(images, 3.0)
    torch.testing.assert_close(points, color_and_place(5 * images - 2, 3.0))
    assert points[0, -1, 3:].tolist() == [3, 3]
    assert color_and_place(torch.zeros(1, 3, 4, 6), 1).isfinite().all()


def test_parts_of_a_fitting_size_are_numbered_in_order():
    clusters = np.zeros((10, 10), int)
    clusters[:2, :2] = 1
    clusters[5:9, :5] = 1
    clusters[:3, 6:] = 2
    options = dict(min_area=0.03, max_area=0.25, max_regions=3)
    order = np.array([0.5, 0.1, 0.9])
    regions = choose_regions(clusters, **options, order=order)
    expected = np.zeros((10, 10), int)
    expected[5:9, :5] = 1
    expected[:2, :2] = 2
    expected[:3, 6:] = 3
    np.testing.assert_array_equal(regions, expected)
    one = choose_regions(
        clusters,
        **options | dict(max_regions=1),
        order=np.array([0.5, 0.9, 0.1]),
    )
    assert one.max() == 1 and (one == 1).sum() == 12
    none = choose_regions(
        clusters, **options | dict(min_area=0.21), order=order
    )
    assert not none.any()


def test_proposals_lie_on_the_things_of_a_simple_scene():
    torch.manual_seed(0)
    images = torch.zeros(2, 3, 65, 65)
    images[:, 0, 8:28, 8:28] = 1
    images[:, 2, 40:56, 36:60] = 1
    images += 0.02 * torch.randn(images.shape)
    regions, counts = propose_regions(images, place_weight=0.5)
    assert regions.shape == (2, 65, 65)
    assert regions.flatten(1).amax(1).tolist() == counts.tolist()
    assert (counts >= 1).all() and (counts <= 3).all()
    for clip in regions:
        for label in clip.unique()[1:]:
            region = clip == label
            assert 0.01 < region.float().mean() < 0.22


def test_an_empty_frame_has_no_region():
    regions, counts = propose_regions(
        torch.zeros(1, 3, 33, 33), min_area=0.9, max_area=0.95
    )
    assert not regions.any() and counts.tolist() == [0]
