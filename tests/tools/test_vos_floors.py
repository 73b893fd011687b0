"""The floors of mask propagation on made-up videos."""

import argparse
import importlib.util

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F


@pytest.fixture
def floors(repo, monkeypatch):
    folder = repo / 'tools' / 'benchmarks'
    monkeypatch.syspath_prepend(folder)
    path = folder / 'vos_floors.py'
    spec = importlib.util.spec_from_file_location('vos_floors', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Colors(nn.Module):
    """Every fourth pixel and a constant."""

    def forward(self, images):
        colors = images[:, :, ::4, ::4]
        return torch.cat([colors, torch.ones_like(colors[:, :1])], dim=1)


OPTIONS = argparse.Namespace(
    radius=12, neighbours=4, temperature=0.05, recent=2
)


def moving_square(frames=6, size=48):
    clip = torch.zeros(frames, 3, size, size)
    masks = torch.zeros(frames, size, size, dtype=torch.long)
    for t in range(frames):
        masks[t, 8:24, 4 + 4 * t : 20 + 4 * t] = 1
        clip[t, 0] = 3.0 * masks[t]
    return clip, masks


def test_weights_are_a_softmax_over_the_largest(floors):
    logits = torch.tensor([3.0, 1.0, 2.0, -torch.inf]).view(1, 4, 1, 1)
    weights = floors.nearest_weights(logits, 2, 0.5).flatten()
    expected = torch.tensor([6.0, 4.0]).softmax(0)
    torch.testing.assert_close(weights[[0, 2]], expected)
    assert weights[[1, 3]].tolist() == [0, 0]


def test_masks_follow_nearest_colours(floors):
    clip, masks = moving_square()
    labels = floors.propagate(Colors(), clip, masks[0], OPTIONS)
    right = (labels == masks).float().mean(dim=(1, 2))
    copied = (masks[:1] == masks).float().mean(dim=(1, 2))
    assert right.min() > 0.95 and copied[-1] < 0.8


def test_scores_are_those_of_the_metric(floors, tmp_path):
    _, masks = moving_square(5, 48)
    for folder, ending in (('JPEGImages', 'jpg'), ('Annotations', 'png')):
        path = tmp_path / folder / '480p' / 'square'
        path.mkdir(parents=True)
        for t, mask in enumerate(masks.numpy().astype(np.uint8)):
            Image.fromarray(mask).save(path / f'{t:05d}.{ending}')
    videos = floors.VideoFolderDataset(
        tmp_path,
        [floors.PackVideoInputs()],
        frames_dir='JPEGImages/480p',
        masks_dir='Annotations/480p',
    )
    scores = floors.score(
        videos, lambda clip, first: first.expand(len(clip), -1, -1)
    )
    overlap = [(16 - 4 * t) / (16 + 4 * t) for t in (1, 2, 3)]
    assert scores['j_mean'] == pytest.approx(np.mean(overlap))
    truth = iter([masks])
    perfect = floors.score(videos, lambda clip, first: next(truth))
    assert perfect['jf_mean'] == 1


@pytest.mark.parametrize(
    ('stride', 'shape'), [(8, (1, 96, 8, 12)), (16, (1, 96, 4, 6))]
)
def test_features_are_those_of_a_checkpoint(floors, tmp_path, stride, shape):
    source = floors.MODELS.build(dict(type='mmseg.MobileNetV2'))
    torch.save(source.state_dict(), tmp_path / 'weights.pth')
    model = floors.feature_model(4, stride, str(tmp_path / 'weights.pth'))
    features = model(torch.randn(1, 3, 64, 96))
    assert features.shape == shape
    assert not F.normalize(features, dim=1).requires_grad
