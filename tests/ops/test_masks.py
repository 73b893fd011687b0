"""Labels and neighbour counts against naive loops."""

from itertools import product

import pytest
import torch

from slotkd.ops.masks import (
    differing_neighbours,
    hard_labels,
    num_neighbours,
    one_hot_maps,
    pick_nearest,
    resize_maps,
    slots_touch,
    soft_disagreement,
)

NEIGHBOURS = [
    d
    for d in product((-1, 0, 1), repeat=3)
    if any(d) and (d[0] == 0 or d[1:] == (0, 0))
]


def naive_counts(labels, border, temporal):
    """Return counts of differing and of all neighbours, token by token."""
    differ, total = torch.zeros_like(labels), torch.zeros_like(labels)
    sizes = labels.shape[1:]
    for b, *place in product(*map(range, labels.shape)):
        for offset in NEIGHBOURS:
            if offset[0] and not temporal:
                continue
            other = [p + d for p, d in zip(place, offset, strict=True)]
            inside = [
                min(max(o, 0), size - 1)
                for o, size in zip(other, sizes, strict=True)
            ]
            if border == 'omit' and inside != other:
                continue
            here = (b, *place)
            total[here] += 1
            differ[here] += labels[here] != labels[(b, *inside)]
    return differ, total


@pytest.mark.parametrize('temporal', [True, False])
@pytest.mark.parametrize('border', ['edge', 'omit'])
@pytest.mark.parametrize('shape', [(2, 4, 5, 7), (1, 1, 6, 3), (2, 3, 1, 1)])
def test_counts_equal_a_naive_loop(shape, border, temporal):
    labels = torch.randint(0, 3, shape)
    differ, total = naive_counts(labels, border, temporal)
    for dtype in (torch.uint8, torch.int64):
        counts = differing_neighbours(labels.to(dtype), border, temporal)
        assert torch.equal(counts.long(), differ)
    counts = num_neighbours(shape[1:], border, temporal)
    assert torch.equal(counts.long().expand(shape), total)


def test_borders_agree_on_whether_any_neighbour_differs():
    labels = torch.randint(0, 2, (20, 4, 5, 6)) * torch.randint(0, 2, (5, 6))
    edge = differing_neighbours(labels, 'edge') > 0
    omit = differing_neighbours(labels, 'omit') > 0
    assert torch.equal(edge, omit)
    assert not edge.all()


@pytest.mark.parametrize('border', ['edge', 'omit'])
def test_soft_disagreement_of_one_hot_maps_is_the_count(border):
    labels = torch.randint(0, 4, (2, 3, 30))
    maps = one_hot_maps(labels, 4, torch.float64)
    assert torch.equal(maps.argmax(2), labels)
    soft = soft_disagreement(maps.unflatten(3, (5, 6)), border)
    hard = differing_neighbours(labels.unflatten(2, (5, 6)), border)
    torch.testing.assert_close(soft, hard.double(), rtol=0, atol=1e-12)


def test_soft_disagreement_of_a_shared_mixture():
    maps = torch.full((1, 1, 4, 3, 3), 0.25)
    assert soft_disagreement(maps).allclose(torch.tensor(7.5))  # 10 * 3/4


def test_ties_go_to_the_lowest_slot():
    maps = torch.zeros(1, 1, 5, 2)
    maps[0, 0, [2, 4], 1] = 1
    assert hard_labels(maps).tolist() == [[[0, 2]]]


def test_slots_touch_across_edges_and_corners_of_a_frame_only():
    labels = torch.tensor(
        [
            [[0, 0, 3], [0, 1, 3], [2, 2, 2]],
            [[0, 0, 3], [0, 0, 3], [1, 2, 3]],
        ]
    )[None]
    touch = slots_touch(labels, 5)
    assert torch.equal(touch, touch.transpose(2, 3))
    pairs = [
        {(j, k) for j in range(5) for k in range(j) if frame[j, k]}
        for frame in touch[0]
    ]
    assert pairs[0] == {(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2)}
    assert pairs[1] == {(1, 0), (2, 0), (2, 1), (3, 0), (3, 2)}


def test_unknown_border():
    with pytest.raises(ValueError, match="border='wrap'.*'edge', 'omit'"):
        differing_neighbours(torch.zeros(1, 1, 2, 2).long(), 'wrap')


def test_resized_maps_keep_constants_and_rows():
    rows = torch.tensor([1.0, 3.0]).repeat_interleave(3)  # grid (2, 3)
    maps = torch.stack([torch.full((6,), 0.7), rows]).expand(2, 4, 2, 6)
    constant, resized = resize_maps(maps, (2, 3), (4, 6)).unbind(2)
    torch.testing.assert_close(constant, torch.full((2, 4, 24), 0.7))
    # Pixel centres, without corner alignment.
    expected = torch.tensor([1.0, 1.5, 2.5, 3.0]).repeat_interleave(6)
    torch.testing.assert_close(resized, expected.expand(2, 4, 24))


def test_maps_of_the_same_grid_are_not_copied():
    maps = torch.randn(1, 2, 3, 6).bfloat16()
    assert resize_maps(maps, (2, 3), (2, 3)) is maps
    assert resize_maps(maps, (2, 3), (1, 3)).dtype == torch.float32


def test_nearest_pixels_are_picked_corner_on_corner():
    labels = torch.arange(81).view(1, 1, 9, 9)
    small = pick_nearest(labels, (3, 5))
    torch.testing.assert_close(small, labels[:, :, ::4, ::2])
    torch.testing.assert_close(pick_nearest(labels, (9, 9)), labels)
    assert pick_nearest(labels, (1, 1)).item() == 0
    large = pick_nearest(small, (9, 9))
    assert large[0, 0, :, 0].tolist() == [0] * 3 + [36] * 3 + [72] * 3
