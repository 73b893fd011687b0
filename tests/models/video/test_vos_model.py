"""The model keeps its promises: shapes, identities, causality, options."""

import sys

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub

from slotkd.compat import MissingOps
from slotkd.models.video.vos_model import UNUSED
from slotkd.registry import MODELS
from slotkd.structures import VideoDataSample
from tests import tiny_vos

NAMES = ('tiny', 'small', 'mv2', 'r50')


def counts(*numbers):
    return torch.tensor(numbers)


def samples(masks):
    made = []
    for clip in masks:
        made.append(VideoDataSample(metainfo=dict(video_id='clip')))
        made[-1].gt_masks = clip
    return made


def test_record():
    model = tiny_vos.vos_model(num_layers=2)
    inputs, first = tiny_vos.clip(batch=2)
    output = model.run(inputs, first, counts(2, 2))
    assert output.logits.shape == (2, 4, 11, 13, 13)
    assert output.labels.shape == (2, 4, 49, 49)
    assert output.grid == (4, 4)
    assert len(output.attn) == len(output.positions) == 2
    assert [a.shape for a in output.attn[0]] == [
        (2, 16, 1, 4),
        (2, 16, 1, 4),
        (2, 16, 2, 4),
    ]
    assert [p.shape for p in output.positions[1]] == [
        (2, 1, 4, 2),
        (2, 1, 4, 2),
        (2, 2, 4, 2),
    ]


@pytest.mark.parametrize('fields', [('labels',), ('attn',), ('positions',)])
def test_only_what_is_asked_for_is_kept(fields):
    model = tiny_vos.vos_model()
    inputs, first = tiny_vos.clip()
    output = model.run(inputs, first, counts(2), fields=fields)
    assert (output.attn is not None) == ('attn' in fields)
    assert (output.positions is not None) == ('positions' in fields)


def test_unused_channels_have_probability_0():
    model = tiny_vos.vos_model().eval()
    inputs, first = tiny_vos.clip(batch=2)
    output = model.run(inputs, first.clamp(max=1), counts(1, 2))
    assert (output.logits[0, :, 2:] == UNUSED).all()
    assert (output.probs[0, :, 2:] == 0).all()
    assert (output.probs[1, :, 1:3] > 0).all()
    assert output.labels[0].max() <= 1


def test_the_reference_mask_comes_back():
    model = tiny_vos.vos_model().eval()
    inputs, first = tiny_vos.clip()
    first[0, 3, 4] = 255
    output = model.run(inputs, first, counts(2))
    assert torch.equal(output.labels[:, 0], first)


@torch.no_grad()
def test_identities_are_shuffled_in_training_and_come_back(monkeypatch):
    """An order of channels is another bank: undo it and nothing changed."""
    model = tiny_vos.vos_model().eval()
    inputs, first = tiny_vos.clip(num_objects=3)
    plain = model.run(
        inputs, first, counts(3), first[:, None].expand(1, 4, -1, -1)
    )
    order = torch.tensor([[0, 4, 7, 1, 2, 3, 5, 6, 8, 9, 10]])
    permuted = tiny_vos.vos_model().eval()
    permuted.bank.conv.weight[:, order[0]] = model.bank.conv.weight
    permuted.decoder.head.weight[order[0]] = model.decoder.head.weight
    permuted.decoder.head.bias[order[0]] = model.decoder.head.bias
    monkeypatch.setattr(permuted, '_identities', lambda *_: order)
    shuffled = permuted.run(
        inputs, first, counts(3), first[:, None].expand(1, 4, -1, -1)
    )
    torch.testing.assert_close(shuffled.logits, plain.logits)


def test_identities_are_drawn_in_training_alone():
    model = tiny_vos.vos_model()
    assert model._identities(3, torch.device('cpu')).shape == (3, 11)
    model.eval()
    assert model._identities(3, torch.device('cpu')) is None
    still = tiny_vos.vos_model(shuffle_identities=False)
    assert still._identities(3, torch.device('cpu')) is None


@torch.no_grad()
@pytest.mark.parametrize(
    'gdpm', [dict(), dict(where='both', carry=0.5, offset_cond='query_dt')]
)
def test_inference_is_causal(gdpm):
    model = tiny_vos.vos_model(gdpm, num_layers=2).eval()
    tiny_vos.moved_offsets(model)
    inputs, first = tiny_vos.clip(frames=5)
    whole = model.run(inputs, first, counts(2))
    other = inputs.clone()
    other[:, 3:] = torch.randn_like(other[:, 3:])
    changed = model.run(other, first, counts(2))
    torch.testing.assert_close(changed.logits[:, :3], whole.logits[:, :3])
    assert not torch.allclose(changed.logits[:, 3], whole.logits[:, 3])


@torch.no_grad()
def test_a_clip_is_what_it_is_alone():
    model = tiny_vos.vos_model().eval()
    inputs, first = tiny_vos.clip(batch=2)
    inputs[1] = torch.randn_like(inputs[1])
    both = model.run(inputs, first, counts(2, 2))
    alone = model.run(inputs[1:], first[1:], counts(2))
    torch.testing.assert_close(
        both.logits[1:], alone.logits, atol=1e-4, rtol=1e-4
    )


@torch.no_grad()
def test_memory_labels_are_written_instead_of_the_prediction():
    model = tiny_vos.vos_model().eval()
    inputs, first = tiny_vos.clip(frames=3)
    own = model.run(inputs, first, counts(2))
    same = model.run(inputs, first, counts(2), own.labels)
    torch.testing.assert_close(same.logits, own.logits)
    other = own.labels.clone()
    other[:, 1] = 2 - other[:, 1]
    given = model.run(inputs, first, counts(2), other)
    torch.testing.assert_close(given.logits[:, :2], own.logits[:, :2])
    assert not torch.allclose(given.logits[:, 2], own.logits[:, 2])
    # The reference is the mask that was given, and the last is not written.
    other = own.labels.clone()
    other[:, [0, 2]] = 0
    ends = model.run(inputs, first, counts(2), other)
    torch.testing.assert_close(ends.logits, own.logits)


def test_the_bank_learns_from_true_masks_alone():
    model = tiny_vos.vos_model()
    inputs, first = tiny_vos.clip()
    for labels, learns in (
        (None, False),
        (first[:, None].expand(-1, 4, -1, -1), True),
    ):
        model.zero_grad()
        output = model.run(inputs, first, counts(2), labels)
        output.logits[:, :, :3].square().sum().backward()
        assert (model.bank.conv.weight.grad is not None) == learns


@torch.no_grad()
def test_any_size_of_frames():
    model = tiny_vos.vos_model().eval()
    inputs, first = tiny_vos.clip(side=60)
    output = model.run(inputs[..., :41], first[..., :41], counts(2))
    assert output.labels.shape == (1, 4, 60, 41)
    assert output.grid == (5, 3)
    assert output.logits.shape[3:] == (17, 9)


def supervised(**changes):
    losses = dict(
        seg=dict(
            type='MaskSegmentationLoss', hard_iters=10**6, reference_iters=10
        )
    )
    return tiny_vos.vos_model(losses=losses, **changes)


def test_supervised_losses_read_the_true_masks():
    model = supervised()
    inputs, first = tiny_vos.clip()
    truth = first[:, None].expand(-1, 4, -1, -1).clone()
    truth[:, 2, :5] = 7  # an object that the first frame does not have
    output, losses = model.record_and_losses(inputs, samples(truth))
    truth[:, 2, :5] = 0
    assert torch.equal(output.labels, truth)
    assert set(losses) == {'loss_seg'}
    assert 0 < losses['loss_seg'] < 20
    assert output.attn is None
    losses['loss_seg'].backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name


@pytest.mark.parametrize('step', [0, 9, 10])
def test_true_masks_are_written_for_label_iters(step):
    model = supervised(label_iters=10)
    labels = torch.zeros(1, 2, 3, 3, dtype=torch.long)
    MessageHub.get_current_instance().update_info('iter', step)
    assert (model.memory_labels(labels) is labels) == (step < 10)


def test_training_learns_to_follow_a_square():
    """30 steps on one clip: the loss falls and the masks fit."""
    model = supervised(label_iters=1000)
    inputs, _ = tiny_vos.clip(frames=3)
    inputs *= 0.1
    truth = torch.zeros(1, 3, 49, 49, dtype=torch.long)
    for t in range(3):
        truth[0, t, 10:30, 5 + 6 * t : 25 + 6 * t] = 1
        inputs[0, t, :, 10:30, 5 + 6 * t : 25 + 6 * t] += 1
    optim = torch.optim.AdamW(model.parameters(), 1e-2)
    losses = []
    for _ in range(30):
        loss = model.loss(inputs, samples(truth))['loss_seg']
        optim.zero_grad()
        loss.backward()
        optim.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
    labels = model.eval().run(inputs, truth[:, 0], counts(1)).labels
    overlap = ((labels == 1) & (truth == 1)).sum() / (
        (labels == 1) | (truth == 1)
    ).sum()
    assert overlap > 0.8


def test_losses_must_be_there_to_train():
    inputs, first = tiny_vos.clip()
    with pytest.raises(ValueError, match='no loss terms to train with'):
        tiny_vos.vos_model()(inputs, samples(first[:, None]), mode='loss')


def test_modes():
    model = tiny_vos.vos_model().eval()
    inputs, first = tiny_vos.clip()
    truth = first[:, None].expand(-1, 4, -1, -1)
    record = model(inputs, samples(truth), mode='tensor')
    (sample,) = model(inputs, samples(truth), mode='predict')
    assert torch.equal(sample.pred_masks[1:], record.labels[0, 1:])
    with pytest.raises(ValueError, match="mode='test'"):
        model(inputs, samples(truth), mode='test')


@pytest.mark.parametrize('name', NAMES)
def test_shipped_sizes(name, repo):
    path = repo / 'configs' / '_base_' / 'models' / f'vos_deform_{name}.py'
    config = Config.fromfile(path)[f'vos_deform_{name}']
    config.backbone.pop('init_cfg', None)
    model = MODELS.build(config)
    layers = dict(tiny=1, small=2, mv2=1, r50=3)[name]
    assert len(model.propagator.layers) == layers
    assert model.propagator.token_dim == dict(tiny=64, small=96).get(name, 256)
    total = sum(p.numel() for p in model.parameters()) / 1e6
    # DeAOT-T has 7.2 M with MobileNetV2's last convolution, R50-DeAOT-L 19.8.
    assert total == pytest.approx(
        dict(tiny=0.394, small=1.248, mv2=6.62, r50=19.89)[name], rel=0.002
    )


def test_no_compiled_operator_is_called(monkeypatch):
    """Each would raise: this stands in for a compiled mmcv."""
    monkeypatch.setitem(sys.modules, 'mmcv._ext', MissingOps('mmcv._ext'))
    model = tiny_vos.vos_model(dict(where='both'))
    inputs, first = tiny_vos.clip()
    output = model.run(inputs, first, counts(2))
    output.logits[:, :, :3].sum().backward()


@pytest.mark.parametrize('where', ['long', 'both'])
def test_autocast_keeps_logits_and_attention_in_fp32(where):
    model = tiny_vos.vos_model(dict(where=where, carry=0.5))
    inputs, first = tiny_vos.clip()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        output = model.run(inputs, first, counts(2))
    assert output.logits.dtype == torch.float32
    assert output.attn[0][-1].dtype == torch.float32
    output.logits[:, :, :3].square().mean().backward()
    grads = [w.grad for w in model.parameters() if w.grad is not None]
    assert all(grad.isfinite().all() for grad in grads)


@torch.no_grad()
def test_a_single_frame_has_no_memory_to_report():
    model = tiny_vos.vos_model().eval()
    inputs, first = tiny_vos.clip(frames=1)
    output = model.run(inputs, first, counts(2))
    assert output.attn == ((),) and output.labels.shape == (1, 1, 49, 49)


def test_weights_of_imagenet_load(shared, repo):
    """The encoder's file, as it was published, fits without a gap."""
    path = repo / 'configs' / '_base_' / 'models' / 'vos_deform_mv2.py'
    config = Config.fromfile(path).vos_deform_mv2
    weights = shared / 'data' / 'mobilenet_v2_imagenet.pth'
    config.backbone.init_cfg.checkpoint = str(weights)
    model = MODELS.build(config)
    before = model.backbone.backbone.conv1.conv.weight.clone()
    model.init_weights()
    assert model.backbone.needed <= model.backbone.loaded
    assert not torch.equal(model.backbone.backbone.conv1.conv.weight, before)
    # What the file does not have keeps its own start.
    offsets = model.propagator.layers[0].long_read.offsets
    assert offsets.proj.weight.abs().max() == 0


def test_numbers_are_checked():
    with pytest.raises(ValueError, match='got 0 and 16'):
        tiny_vos.vos_model(num_objects=0)


def test_more_objects_than_channels_are_refused():
    model = tiny_vos.vos_model()
    inputs, first = tiny_vos.clip(batch=2)
    with pytest.raises(ValueError, match='has 11 objects.*num_objects=10'):
        model.run(inputs, first, counts(2, 11))


@pytest.mark.parametrize('prefix', ['', 'student.'])
def test_init_cfg_loads_a_file_strictly(tmp_path, prefix):
    model = tiny_vos.vos_model(seed=5)
    path = tmp_path / 'iter_8.pth'
    state = {f'{prefix}{k}': v for k, v in model.state_dict().items()}
    torch.save(dict(state_dict=state, meta=dict(iter=8)), path)
    init = dict(type='Pretrained', checkpoint=str(path))
    twin = tiny_vos.vos_model(seed=6, init_cfg=init)
    twin.init_weights()
    for name, value in twin.state_dict().items():
        torch.testing.assert_close(value, model.state_dict()[name])
    deeper = tiny_vos.vos_model(num_layers=2, init_cfg=init)
    with pytest.raises(ValueError, match='iter_8.pth does not fit; missing'):
        deeper.init_weights()
