"""Colours: against OpenCV, and what jitter may change."""

import cv2
import numpy as np
import torch

from slotkd.ops.color import jitter_colors, rgb_to_lab


def test_lab_equals_opencv():
    image = np.random.default_rng(0).random((16, 20, 3), np.float32)
    image[0, :8] = np.linspace(0, 0.06, 8)[:, None]
    expected = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    lab = rgb_to_lab(torch.from_numpy(image).permute(2, 0, 1)[None])
    scaled = expected / [50, 127, 127] - [1, 0, 0]
    np.testing.assert_allclose(
        lab[0].permute(1, 2, 0).numpy(), scaled, atol=4e-3
    )  # OpenCV looks its curves up in tables


def test_primaries_have_their_published_values():
    primaries = torch.eye(3)[:, :, None, None]
    lab = rgb_to_lab(primaries)[..., 0, 0]
    published = torch.tensor(
        [
            [53.24, 80.09, 67.20],
            [87.73, -86.18, 83.18],
            [32.30, 79.19, -107.86],
        ]
    )
    scaled = published / torch.tensor([50.0, 127, 127])
    scaled[:, 0] -= 1
    torch.testing.assert_close(lab, scaled, atol=1e-3, rtol=0)


def test_grey_has_no_chroma_and_the_range_is_clamped():
    grey = torch.tensor([-0.5, 0.0, 0.5, 1.0, 2.0]).view(1, 1, 1, 5)
    lab = rgb_to_lab(grey.expand(1, 3, 1, 5))
    assert lab[:, 1:].abs().max() < 2e-3
    torch.testing.assert_close(
        lab[0, 0, 0, [0, 1, 3, 4]],
        torch.tensor([-1.0, -1, 1, 1]),
        atol=1e-4,
        rtol=0,
    )


def clips():
    return torch.randn(3, 4, 3, 5, 6)


def test_jitter_of_nothing_is_the_clip():
    inputs = clips()
    same = jitter_colors(inputs, brightness=0, contrast=0, saturation=0)
    torch.testing.assert_close(same, inputs)


def test_each_part_changes_what_it_names_in_all_frames_alike():
    inputs = clips().double()
    off = dict(brightness=0, contrast=0, saturation=0)
    shifted = jitter_colors(inputs, **off | dict(brightness=0.5)) - inputs
    flat = shifted.flatten(1)
    torch.testing.assert_close(flat, flat[:, :1].expand_as(flat))
    assert flat[:, 0].unique().numel() == 3 and flat.abs().max() <= 0.5
    ratio = jitter_colors(inputs, **off | dict(contrast=0.5)) / inputs
    flat = ratio.flatten(1)
    torch.testing.assert_close(flat, flat[:, :1].expand_as(flat))
    assert ((flat > 0.49) & (flat < 1.51)).all()
    grey = jitter_colors(inputs, **off, grey_prob=1)
    torch.testing.assert_close(grey[:, :, 0], grey[:, :, 1])
    weights = torch.tensor([0.299, 0.587, 0.114]).double().view(3, 1, 1)
    softer = jitter_colors(inputs, **off | dict(saturation=0.5))
    torch.testing.assert_close(
        (softer * weights).sum(2), (inputs * weights).sum(2)
    )


def test_jitter_follows_the_seed():
    inputs = clips()
    torch.manual_seed(4)
    first = jitter_colors(inputs)
    assert not torch.equal(first, jitter_colors(inputs))
    torch.manual_seed(4)
    assert torch.equal(first, jitter_colors(inputs))
