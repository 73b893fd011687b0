"""Feature reconstruction: optimum, target and widths."""

import pytest
import torch

from slotkd.models.losses import FeatureReconstructionLoss
from slotkd.models.losses.reconstruction import reconstruction_loss
from tests import tiny


def test_optimum_and_value():
    target = torch.randn(1, 2, 3, 4)
    assert reconstruction_loss(target, target) == 0
    assert float(reconstruction_loss(target + 2, target)) == pytest.approx(4)


def test_target_is_detached():
    recon, target = torch.randn(2, 1, 2, 3, 4).requires_grad_()
    grads = torch.autograd.grad(
        reconstruction_loss(recon, target), [recon, target], allow_unused=True
    )
    torch.testing.assert_close(grads[0], (recon - target) / 12)
    assert grads[1] is None


def test_tokens_can_be_the_target():
    config = tiny.slot_model()
    config['decoder']['feat_dim'] = 16
    config['losses'] = dict(
        recon=dict(type='FeatureReconstructionLoss', target='tokens')
    )
    model = tiny.build(config)
    clips = tiny.clips()
    loss = model(clips, mode='loss')['loss_recon']
    output = model(clips)
    torch.testing.assert_close(
        loss, (output.recon - output.tokens).square().mean()
    )
    with pytest.raises(ValueError, match="target='slots' is not one of"):
        FeatureReconstructionLoss('slots')


def test_a_record_without_decoder_is_refused():
    output = tiny.build(tiny.slot_model()).run(tiny.clips(), ('slots',))
    with pytest.raises(ValueError, match='recon is None; run the decoder'):
        FeatureReconstructionLoss()(output)
