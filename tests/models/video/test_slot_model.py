"""The slot video model: official numbers, shapes, and what it skips."""

import pytest
import torch
from torch.nn import functional as F

from slotkd.models.video import hard_masks
from slotkd.ops.broadcast_decode import broadcast_decode_plain
from slotkd.structures import VideoDataSample
from tests import golden, tiny


@pytest.fixture
def tiny_golden(shared):
    return golden.load(shared, 'slotcontrast_tiny')


@pytest.mark.data
def test_forward_equals_the_official_model(shared, tiny_golden):
    model = golden.official_tiny(shared)
    output = model(torch.as_tensor(tiny_golden['clip']))
    for name, value in {
        'feats_backbone': output.feats,
        'feats_mapped': output.tokens,
        'slots': output.slots,
        'attn': output.attn,
        'dec_masks': output.masks,
        'recon': output.recon,
    }.items():
        golden.assert_near(value, tiny_golden[name])
    for name, maps in (('dec', output.masks), ('attn', output.attn)):
        labels = torch.stack(
            [hard_masks(m, output.grid, (84, 84)) for m in maps]
        )
        expected = torch.as_tensor(tiny_golden[f'{name}_labels_inputres'])
        assert (labels != expected).float().mean() < 1e-4


@pytest.mark.data
def test_losses_and_gradients_equal_the_official_ones(shared, tiny_golden):
    model = golden.official_tiny(shared)
    losses = model(torch.as_tensor(tiny_golden['clip']), mode='loss')
    for name, value in {
        'loss_recon': tiny_golden['loss_featrec'],
        'loss_slot_contrast': 0.5 * tiny_golden['loss_ss'],
    }.items():
        assert losses[name].item() == pytest.approx(float(value), abs=1e-5)

    sum(losses.values()).backward()
    grads = golden.prefixed(tiny_golden, 'grad__')
    parameters = dict(model.named_parameters())
    trained = {k for k, p in parameters.items() if p.grad is not None}
    assert len(grads) == len(trained)
    for name, grad in grads.items():
        parameter = parameters[golden.renamed(name, golden.OFFICIAL_NAMES)]
        golden.assert_near(parameter.grad, grad)


@pytest.mark.data
def test_three_adam_steps_equal_the_official_ones(shared, tiny_golden):
    model = golden.official_tiny(shared)
    clip = torch.as_tensor(tiny_golden['clip'])
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=float(tiny_golden['plain3_lr']))
    for step in range(3):
        optimizer.zero_grad()
        total = sum(model(clip, mode='loss').values())
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_(trained, 0.05)
        optimizer.step()
        expected = tiny_golden['plain3_loss'][step]
        assert float(total) == pytest.approx(float(expected), abs=1e-5)
        expected = tiny_golden['plain3_gradnorm_preclip'][step]
        assert float(norm) == pytest.approx(float(expected), rel=1e-4)
    parameters = dict(model.named_parameters())
    for name, value in golden.prefixed(tiny_golden, 'plain3__').items():
        actual = parameters[golden.renamed(name, golden.OFFICIAL_NAMES)]
        stable = torch.as_tensor(tiny_golden[f'plain3_stable__{name}'])
        difference = (actual.detach() - value).abs()[stable]
        assert float(difference.max()) <= 5e-5


def test_record_of_non_square_frames():
    model = tiny.build(tiny.slot_model(num_slots=15))
    output = model(tiny.clips(frames=1))
    assert output.slots.shape == (2, 1, 15, 16)
    assert output.grid == (4, 6)
    torch.testing.assert_close(output.attn.sum(2), torch.ones(2, 1, 24))
    torch.testing.assert_close(output.masks.sum(2), torch.ones(2, 1, 24))


def test_iterations_of_first_and_later_frames(monkeypatch):
    model = tiny.build(tiny.slot_model())
    seen = []
    correct = type(model.corrector).forward

    def spy(self, slots, tokens, grid, num_iters, geometry=None):
        seen.append(num_iters)
        return correct(self, slots, tokens, grid, num_iters, geometry)

    monkeypatch.setattr(type(model.corrector), 'forward', spy)
    model(tiny.clips(frames=3))
    assert seen == [3, 2, 2]


def test_reconstruction_is_mixed_with_the_masks():
    model = tiny.build(tiny.slot_model())
    output = model(tiny.clips())
    decoder = model.decoder
    first, *hidden, last = decoder.layers
    rows = output.slots[:, :, None] + decoder.pos_emb[0, 0][:, None]
    recon, mask_logits = broadcast_decode_plain(
        first(rows).flatten(0, 1),
        [(layer.weight, layer.bias) for layer in hidden],
        (last.weight, last.bias),
    )
    torch.testing.assert_close(recon, output.recon.flatten(0, 1))
    torch.testing.assert_close(mask_logits, output.mask_logits.flatten(0, 1))


@pytest.mark.parametrize(
    'corrector', ['SlotAttention', 'InvariantSlotAttention']
)
def test_streaming_frame_by_frame_equals_the_whole_clip(corrector):
    parts = dict(corrector=dict(type=corrector, slot_dim=16, token_dim=16))
    model = tiny.build(tiny.slot_model(**parts)).eval()
    clips = tiny.clips(frames=4)
    whole = model(clips)
    state = None
    for t in range(4):
        part, state = model.stream(clips[:, t : t + 1], state)
        torch.testing.assert_close(part.slots[:, 0], whole.slots[:, t])
        torch.testing.assert_close(part.masks[:, 0], whole.masks[:, t])


def test_a_frame_ignores_what_follows():
    model = tiny.build(tiny.slot_model()).eval()
    clips = tiny.clips(frames=4)
    changed = clips.clone()
    changed[:, 2:] += 1
    torch.testing.assert_close(
        model(clips).masks[:, :2], model(changed).masks[:, :2]
    )


def test_frames_per_pass_changes_nothing():
    model = tiny.build(tiny.slot_model()).eval()
    clips = tiny.clips(frames=5)
    with torch.no_grad():
        whole = model(clips)
        model.frames_per_pass = 3
        parts = model(clips)
    torch.testing.assert_close(parts.recon, whole.recon)


def test_the_decoder_runs_only_when_it_is_read(monkeypatch):
    model = tiny.build(tiny.slot_model())

    def refuse(*args):
        raise AssertionError('the decoder ran')

    monkeypatch.setattr(model.decoder, 'forward', refuse)
    output = model.run(tiny.clips(), ('slots',))
    assert output.recon is None and output.masks is None
    with pytest.raises(AssertionError, match='the decoder ran'):
        model.run(tiny.clips(), ('slots', 'recon'))


def test_predictions_can_keep_the_maps():
    model = tiny.build(tiny.slot_model(keep_maps=True))
    clips = tiny.clips()
    samples = model(clips, mode='predict')
    output = model(clips)
    for sample, attn, masks in zip(
        samples, output.attn_logits, output.mask_logits, strict=True
    ):
        assert sample.grid == (4, 6)
        torch.testing.assert_close(sample.attn_logits, attn)
        torch.testing.assert_close(sample.mask_logits, masks)
    plain = tiny.build(tiny.slot_model())(clips, mode='predict')
    assert 'attn_logits' not in plain[0]


def test_predictions_have_the_size_of_the_truth():
    model = tiny.build(tiny.slot_model()).eval()
    clips = tiny.clips(frames=2)
    samples = [VideoDataSample(), VideoDataSample()]
    samples[0].gt_masks = torch.zeros(2, 32, 48, dtype=torch.long)
    with torch.no_grad():
        predicted = model(clips, samples, mode='predict')
        maps = model(clips).masks[0]
    assert predicted[0].pred_masks.shape == (2, 32, 48)
    assert predicted[1].pred_masks.shape == (2, 16, 24)
    resized = F.interpolate(
        maps.unflatten(2, (4, 6)), (32, 48), mode='bilinear'
    )
    assert torch.equal(predicted[0].pred_masks, resized.argmax(1))


def test_training_lowers_each_loss():
    model = tiny.build(tiny.slot_model())
    clips = tiny.clips()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    history = []
    for _ in range(80):
        losses = model(clips, mode='loss')
        history.append({k: v.item() for k, v in losses.items()})
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    for name, first in history[0].items():
        assert history[-1][name] < 0.9 * first


def test_reconstruction_does_not_train_a_trainable_backbone_as_target():
    model = tiny.build(tiny.slot_model())
    clips = tiny.clips().requires_grad_()
    output = model(clips)
    target = output.feats
    (grad,) = torch.autograd.grad(
        model.losses.losses['recon'](output), target, allow_unused=True
    )
    direct = 2 * (target - output.recon) / target.numel()
    assert grad is not None
    assert not torch.allclose(
        grad, direct, atol=1e-4 * float(direct.abs().max())
    )


@pytest.mark.parametrize(
    ('parts', 'message'),
    [
        (
            dict(neck=dict(type='FeatureMLP', feat_dim=9, out_dim=16)),
            'backbone.feat_dim is 12, but neck.feat_dim is 9',
        ),
        (
            dict(predictor=dict(type='TransformerPredictor', slot_dim=32)),
            'initializer.slot_dim is 16, but predictor.slot_dim is 32',
        ),
        (dict(num_iters=0), 'num_iters must be at least 1, got 0'),
        (dict(predict_from='slots'), "predict_from='slots' is not"),
    ],
)
def test_refuses_parts_that_do_not_fit(parts, message):
    with pytest.raises(ValueError, match=message):
        tiny.build(tiny.slot_model(**parts))


def test_refuses_an_unknown_mode():
    model = tiny.build(tiny.slot_model())
    with pytest.raises(ValueError, match="mode='train' is not one of"):
        model(tiny.clips(), mode='train')


def test_names_the_widths_when_the_decoder_draws_other_features():
    config = tiny.slot_model()
    config['decoder']['feat_dim'] = 5
    with pytest.raises(Exception, match='5'):
        tiny.build(config)(tiny.clips(), mode='loss')
