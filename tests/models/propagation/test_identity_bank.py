"""Masks become tokens patch by patch, one identity for each object."""

import torch

from slotkd.models.propagation import IdentityBank, one_hot_masks


def bank():
    torch.manual_seed(0)
    return IdentityBank(16, num_objects=3)


def test_one_hot():
    labels = torch.tensor([[[0, 1, 255], [3, 2, 9]]])
    masks = one_hot_masks(labels, 4)
    assert masks.shape == (1, 4, 2, 3)
    assert masks.sum(dim=1).tolist() == [[[1, 1, 0], [1, 1, 0]]]
    assert masks.argmax(dim=1)[0, 1, :2].tolist() == [3, 2]


def test_one_token_for_each_cell_of_stride_16():
    masks = torch.rand(2, 4, 65, 97)
    assert bank()(masks).shape == (2, 5 * 7, 16)


def test_a_token_sees_a_patch_and_one_pixel_more():
    masks = torch.zeros(1, 4, 65, 65)
    other = masks.clone()
    other[0, 1, 24, 24] = 1  # the corner of four patches
    changed = (bank()(masks) != bank()(other)).any(dim=2).view(5, 5)
    expected = torch.zeros(5, 5, dtype=torch.bool)
    expected[1:3, 1:3] = True
    assert torch.equal(changed, expected)


def test_identities_differ():
    masks = torch.zeros(1, 4, 33, 33)
    tokens = []
    for identity in range(4):
        given = masks.clone()
        given[:, identity] = 1
        tokens.append(bank()(given)[0, 4])
    similarity = torch.corrcoef(torch.stack(tokens))
    assert (similarity - torch.eye(4)).abs().max() < 0.9


def test_a_frozen_bank_gives_the_same_and_learns_nothing():
    masks = torch.rand(1, 4, 33, 33)
    made = bank()
    learnt = made(masks)
    frozen = made(masks, is_frozen=True)
    assert torch.equal(learnt, frozen)
    assert learnt.requires_grad and not frozen.requires_grad
