"""Shuffled identities: objects change channels and come back."""

import torch

from slotkd.ops.identities import draw_identities, to_channels, to_labels


def test_every_clip_has_its_own_order_and_the_background_stays():
    identities = draw_identities(64, 10, torch.device('cpu'))
    assert (identities[:, 0] == 0).all()
    assert (identities.sort(dim=1).values == torch.arange(11)).all()
    assert len({tuple(row) for row in identities.tolist()}) > 60
    # Each object gets every channel some time.
    assert all(identities[:, o].unique().numel() == 10 for o in range(1, 11))


def test_shuffle_and_back_is_the_identity():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 11, (3, 8, 8), generator=generator)
    labels[:, 0] = 255
    identities = draw_identities(3, 10, labels.device)
    channels = to_channels(labels, identities)
    assert not torch.equal(channels, labels)
    assert (channels[:, 0] == 255).all()
    maps = (channels[:, None] == torch.arange(11)[:, None, None]).float()
    back = to_labels(maps, identities)
    expected = (labels[:, None] == torch.arange(11)[:, None, None]).float()
    torch.testing.assert_close(back, expected)
