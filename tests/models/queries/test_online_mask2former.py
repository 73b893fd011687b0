"""The online model: records, losses, streams, and what it never sees."""

import copy

import pytest
import torch

from slotkd.models.queries.tracker import OnlineTracker
from slotkd.registry import MODELS
from slotkd.structures import QueryOutput
from tests import tiny_queries
from tests.vis_samples import pixels, sample


@pytest.fixture(scope='module')
def built():
    torch.manual_seed(0)
    return tiny_queries.build(tiny_queries.online())


@pytest.fixture
def model(built):
    return copy.deepcopy(built)


def clips(keys=(0, 2)):
    samples = [sample([2, 0], keys=list(keys)), sample([1], keys=list(keys))]
    return pixels(samples), samples


def test_record_of_all_frames(model):
    inputs, _ = clips()
    record = model.eval()(inputs)
    q, d = tiny_queries.QUERIES, tiny_queries.WIDTH
    assert record.cls_logits.shape == (2, 4, q, tiny_queries.CLASSES + 1)
    assert record.mask_logits.shape == (2, 4, q, 16, 16)
    assert record.embeds.shape == record.reid.shape == (2, 4, q, d)
    assert record.targets is None and record.features is record.reid


def test_training_record_is_of_the_key_frames(model):
    inputs, samples = clips()
    record, losses = model.record_and_losses(inputs, samples)
    assert record.cls_logits.shape[:2] == (2, 2)
    assert record.frames.tolist() == [[0, 2], [0, 2]]
    assert record.match.shape == (2, 2, 2)
    assert (record.match[0] >= 0).all() and (record.match[1, :, 1] == -1).all()
    assert {'loss_cls', 'd1.loss_dice', 'loss_contrast'} <= set(losses)
    assert len(losses) == 3 * 3 + 1
    changed = inputs.clone()
    changed[:, [1, 3]] = 5.0  # frames of the teacher
    torch.manual_seed(1)
    model.eval()
    one = model.record_and_losses(inputs, samples)[0]
    two = model.record_and_losses(changed, samples)[0]
    assert torch.equal(one.embeds, two.embeds)


def test_frames_without_objects_train(model):
    samples = [sample([], keys=[0, 1])]
    record, losses = model.record_and_losses(pixels(samples), samples)
    assert record.match.shape == (1, 2, 0)
    assert losses['loss_mask'] == losses['loss_dice'] == 0
    assert losses['loss_contrast'] == 0
    sum(losses.values()).backward()


def test_the_embedding_learns_without_a_teacher(model):
    inputs, samples = clips()
    sum(model(inputs, samples, 'loss').values()).backward()
    assert all(p.grad.any() for p in model.reid.parameters())


def test_decoder_embeddings_have_no_head_of_their_own():
    config = tiny_queries.online(embed_source='decoder', losses=None)
    model = tiny_queries.build(config)
    inputs, samples = clips()
    record, losses = model.record_and_losses(inputs, samples)
    assert model.reid is None and record.features is record.embeds
    assert not any('contrast' in name for name in losses)


def test_a_step_lowers_the_loss(model):
    torch.manual_seed(0)
    inputs, samples = clips()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    values = []
    for _ in range(12):
        loss = sum(model(inputs, samples, 'loss').values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    assert sum(values[-3:]) < 0.9 * sum(values[:3])


def test_predictions_are_put_on_the_samples(model):
    inputs, samples = clips()
    done = model.eval()(inputs, samples, 'predict')
    assert done[0].video_id == 1 and len(done[0].pred_tracks) == 10
    assert len(done[0].pred_tracks[0]['segmentations']) == 4
    assert done[0].pred_masks.shape == (4, 64, 64)
    assert done[0].association['links'] == 6


def test_chunks_of_frames_give_the_same_record(model):
    inputs, _ = clips()
    model.eval()
    whole = model(inputs)
    model.frames_per_pass = 3
    with torch.no_grad():
        parts = model(inputs)
    torch.testing.assert_close(parts.embeds, whole.embeds)


def test_a_stream_equals_a_video_and_never_looks_ahead(model):
    inputs, samples = clips()
    model.eval()
    later = inputs[0].clone()
    later[2:] = torch.randn_like(later[2:])
    runs = []
    for video in (inputs[0], later):
        state, found = None, []
        for frame in video:
            tracks, state = model.stream(frame, state, score_thr=0.0)
            found.append(tracks)
        runs.append(found)
    for t in range(2):
        for name in ('ids', 'labels', 'scores', 'masks'):
            one, two = (getattr(run[t], name) for run in runs)
            assert torch.equal(one, two)
    record = model(inputs[:1])
    ids = model._follow(record)
    tracks = runs[0][3]
    for name, mask in zip(tracks.ids, tracks.masks, strict=True):
        query = (ids[3] == name).nonzero().item()
        logits = torch.nn.functional.interpolate(
            record.mask_logits[:, 3, query : query + 1],
            (64, 64),
            mode='bilinear',
        )
        assert torch.equal(logits[0, 0] > 0, mask)


def test_the_state_of_a_stream_is_bounded(model):
    model.eval()
    state, sizes = None, set()
    for _ in range(8):
        _, state = model.stream(torch.randn(3, 64, 64), state)
        sizes.add(state.embeds.numel() + state.cls_logits.numel())
    q = tiny_queries.QUERIES
    assert sizes == {q * tiny_queries.WIDTH + q * (tiny_queries.CLASSES + 1)}


def test_a_distiller_wires_it_without_keeping_the_teacher():
    model = MODELS.build(tiny_queries.distiller())
    model.init_weights()
    inputs, samples = clips()
    losses = model(inputs, samples, 'loss')
    assert {'loss_query', 'loss_contrast', 'loss_cls'} <= set(losses)
    assert 0 < losses['loss_query'] < 4
    sum(v for k, v in losses.items() if 'loss' in k).backward()
    assert all(p.grad is None for p in model.teacher.parameters())
    assert model.distill_losses.losses['query'].proj.weight.grad.any()
    assert not any('teacher' in name for name in model.state_dict())
    record = model.eval()(inputs, mode='tensor')
    assert isinstance(record, QueryOutput)


def test_thirty_steps_lower_every_loss():
    torch.manual_seed(0)
    model = MODELS.build(tiny_queries.distiller())
    model.init_weights()
    inputs, samples = clips()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    history = []
    for _ in range(30):
        losses = model(inputs, samples, 'loss')
        optimizer.zero_grad()
        sum(v for k, v in losses.items() if 'loss' in k).backward()
        optimizer.step()
        history.append({k: float(v.detach()) for k, v in losses.items()})
    for name in ('cls', 'mask', 'dice', 'contrast', 'query'):
        key = f'loss_{name}'
        early = sum(h[key] for h in history[:5])
        late = sum(h[key] for h in history[-5:])
        assert late < 0.9 * early, key


def test_the_student_works_without_its_teacher():
    model = MODELS.build(tiny_queries.distiller())
    model.init_weights()
    model.eval()
    inputs, samples = clips()
    expected = model(inputs, copy.deepcopy(samples), 'predict')
    object.__delattr__(model, '_holder')
    predicted = model(inputs, copy.deepcopy(samples), 'predict')
    for one, other in zip(predicted, expected, strict=True):
        assert torch.equal(one.pred_masks, other.pred_masks)
        assert one.association == other.association


def test_the_default_tracker_is_online(model):
    assert isinstance(model.tracker, OnlineTracker)


def test_refuses_what_does_not_fit(model):
    for options, told in (
        (dict(embed_source='mask'), "embed_source='mask' is not one of"),
        (dict(topk=0), 'topk and frames_per_pass .* got 0 and 8'),
    ):
        with pytest.raises(ValueError, match=told):
            tiny_queries.build(tiny_queries.online(**options))
    inputs, _ = clips()
    for mode in ('loss', 'predict'):
        with pytest.raises(ValueError, match='needs .*data_samples'):
            model(inputs, mode=mode)
    with pytest.raises(ValueError, match="mode='train' is not one of"):
        model(inputs, mode='train')
