"""Colour propagation: training without labels, copying, records."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from slotkd.models.video.color_propagation import ColorPropagation
from slotkd.ops.aligned_resize import resize_aligned
from slotkd.ops.color import rgb_to_lab
from slotkd.registry import MODELS
from tests import vos

VOID = 255


def build(**changes):
    torch.manual_seed(0)
    return MODELS.build(vos.color_model(**changes)).eval()


def directions(images):
    """Return the colours of every fourth pixel as vectors of one length."""
    colors = images[:, :, ::4, ::4]
    offset = torch.full_like(colors[:, :1], 0.3)
    return 12 * F.normalize(torch.cat([colors, offset], dim=1), dim=1)


class Colors(nn.Module):
    """:func:`directions` as a backbone."""

    feat_dim = 4

    def forward(self, images):
        return directions(images)


def color_follower(**changes):
    """Return a model that compares plain colours."""
    options = dict(dim=4, train_radius=2, radius=4, max_objects=3)
    model = ColorPropagation(Colors(), **options | changes)
    nn.init.eye_(model.head.weight.data[..., 0, 0])
    nn.init.zeros_(model.head.bias)
    return model


def run(model, frames=3, **options):
    inputs, samples = vos.clips(frames=frames)
    first = torch.stack([s.gt_masks[0] for s in samples])
    counts = torch.tensor([2, 2])
    with torch.no_grad():
        return model.run(inputs, first, counts, **options), samples


def test_inputs_become_lab():
    model = build(mean=100.0, std=50.0)
    images = 255 * torch.rand(1, 2, 3, 8, 8)
    lab = model.to_lab((images - 100) / 50)
    torch.testing.assert_close(lab[0], rgb_to_lab(images[0] / 255))


def test_the_loss_is_that_of_copying_the_withheld_channel():
    model = color_follower()
    inputs, _ = vos.clips(batch=1)
    still = inputs[:, :1].expand(-1, 3, -1, -1, -1)
    torch.manual_seed(3)
    value = model.loss(still)['loss_color']
    lab = model.to_lab(still)[0, 0]
    terms = []
    for withheld in (1, 2):
        kept = torch.ones(3, 1, 1)
        kept[withheld] = 0
        features = directions((1.5 * kept * lab)[None])[0]
        color = lab[withheld, ::4, ::4]
        rebuilt = torch.zeros_like(color)
        for y in range(9):
            for x in range(9):
                rows = slice(max(y - 2, 0), y + 3)
                columns = slice(max(x - 2, 0), x + 3)
                window = features[:, rows, columns].flatten(1)
                weights = (features[:, y, x] @ window / 2).softmax(0)
                rebuilt[y, x] = weights @ color[rows, columns].flatten()
        terms.append(F.smooth_l1_loss(20 * rebuilt, 20 * color))
    assert any(torch.isclose(value, term, rtol=1e-4) for term in terms)


def test_no_label_is_read_in_training():
    model = build().train()
    losses = model(vos.clips()[0], None, mode='loss')
    losses['loss_color'].backward()
    used = [model.head.weight, next(model.backbone.parameters())]
    assert all(weight.grad.any() for weight in used)
    with pytest.raises(FloatingPointError, match='loss_color = nan'):
        model(torch.full((1, 2, 3, 33, 33), torch.nan), None, mode='loss')


def test_training_lowers_the_loss():
    model = build().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    inputs, _ = vos.clips(batch=4)
    values = []
    for _ in range(30):
        loss = model.loss(inputs)['loss_color']
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(float(loss.detach()))
    assert sum(values[-5:]) < 0.7 * sum(values[:5])


def test_masks_follow_their_colours():
    output, samples = run(color_follower(), frames=5)
    truth = torch.stack([s.gt_masks for s in samples])
    still = truth[:, :1].expand_as(truth)
    assert (output.labels == truth).float().mean() > 0.87
    later = slice(2, None)  # cells are 4 pixels, the motion is 2
    found = (output.labels == truth)[:, later].sum()
    assert found > (still == truth)[:, later].sum()


def test_record_has_the_grid_and_rows_of_the_memory():
    output, _ = run(build(), frames=5)
    assert output.grid == (3, 3) and output.logits.shape == (2, 5, 4, 9, 9)
    assert [a.shape[2] for a in output.attn[0]] == [1, 2, 3, 3]
    for attn, places in zip(output.attn[0], output.positions[0], strict=True):
        torch.testing.assert_close(
            attn.sum(dim=(2, 3)), torch.ones(2, 9), atol=1e-5, rtol=0
        )
        assert places.shape == (2, attn.shape[2], 9, 2)
        assert places[0, 0, [0, -1]].tolist() == [[-1, -1], [1, 1]]
    assert (output.probs[:, :, 3] == 0).all()
    assert run(build(), fields=())[0].attn is None


def test_given_labels_are_copied_from_instead():
    model = color_follower()
    inputs, samples = vos.clips(frames=4)
    first = torch.stack([s.gt_masks[0] for s in samples])
    counts = torch.tensor([2, 2])
    nothing = torch.zeros(2, 4, 33, 33).long()
    with torch.no_grad():
        free = model.run(inputs, first, counts)
        given = model.run(inputs, first, counts, nothing)
    torch.testing.assert_close(given.logits[:, :2], free.logits[:, :2])
    objects = (given.labels[:, 3] > 0).sum()
    assert objects < (free.labels[:, 3] > 0).sum()


def test_the_future_does_not_matter():
    model = build()
    inputs, samples = vos.clips(frames=4)
    first = torch.stack([s.gt_masks[0] for s in samples])
    with torch.no_grad():
        whole = model.run(inputs, first, torch.tensor([2, 2]))
        part = model.run(inputs[:, :3], first, torch.tensor([2, 2]))
    torch.testing.assert_close(whole.logits[:, :3], part.logits)


def test_predicts_at_the_size_of_the_truth_from_its_first_mask():
    model = color_follower()
    inputs, samples = vos.clips()
    for sample in samples:
        large = sample.gt_masks.repeat_interleave(2, 1)
        sample.gt_masks = large.repeat_interleave(2, 2)
        sample.gt_masks[0, 0, 0] = VOID
    with torch.no_grad():
        predicted = model(inputs, samples, mode='predict')
    for sample in predicted:
        assert sample.pred_masks.shape == (3, 66, 66)
        right = sample.pred_masks == sample.gt_masks
        assert right.float().mean() > 0.9
        assert sample.pred_masks.max() == 2


@torch.no_grad()
def test_following_is_what_the_record_says():
    model = build()
    inputs, samples = vos.clips(frames=5)
    for clip, sample in zip(inputs, samples, strict=True):
        first = sample.gt_masks[:1]
        counts = first.flatten(1).amax(dim=1)
        output = model.run(clip[None], first, counts, fields=())
        probs = resize_aligned(output.probs[0], first.shape[1:])
        followed = model.follow(clip, sample.gt_masks)
        assert torch.equal(followed[1:], probs[1:].argmax(dim=1))
        assert torch.equal(followed[:1], first)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match='num_recent must be at least 1'):
        build(num_recent=0)
    inputs, samples = vos.clips()
    first = 2 * torch.stack([s.gt_masks[0] for s in samples])
    with pytest.raises(ValueError, match='object 4, the model is made for 3'):
        build().run(inputs, first, torch.tensor([4, 4]))
    with pytest.raises(ValueError, match="mode='train' is not one of"):
        build()(inputs, mode='train')
