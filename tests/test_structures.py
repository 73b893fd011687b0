"""Records check their shapes together; samples hold truth and prediction."""

import dataclasses

import pytest
import torch
from jaxtyping import TypeCheckError
from torch import Tensor

from slotkd.structures import (
    CorrectorOutput,
    DecoderOutput,
    QueryOutput,
    SegOutput,
    SlotOutput,
    SlotState,
    TrackTargets,
    VideoDataSample,
    VideoQueryOutput,
    VosOutput,
)

B, T, K, N, C, D, E, R = 2, 3, 4, 6, 5, 8, 7, 9


def fields(**changes) -> dict:
    """Return the fields of a record with every tensor present."""
    complete = dict(
        slots=torch.randn(B, T, K, D),
        slots_init=torch.randn(B, K, D),
        attn_logits=torch.randn(B, T, K, N),
        feats=torch.randn(B, T, N, C),
        tokens=torch.randn(B, T, N, E),
        grid=(2, 3),
        mask_logits=torch.randn(B, T, K, N),
        recon=torch.randn(B, T, N, R),
        token_attn=torch.randn(B, T, K, N),
    )
    return complete | changes


def test_maps_are_softmaxes_over_slots():
    output = SlotOutput(**fields())
    ones = torch.ones(B, T, N)
    for maps, logits in (
        (output.attn, output.attn_logits),
        (output.masks, output.mask_logits),
    ):
        torch.testing.assert_close(maps.sum(dim=2), ones)
        exp = logits.exp()
        torch.testing.assert_close(maps, exp / exp.sum(2, keepdim=True))


@pytest.mark.parametrize(
    ('dtype', 'expected'),
    [
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_maps_have_full_precision(dtype, expected):
    logits = torch.randn(B, T, K, N).to(dtype)
    output = SlotOutput(**fields(attn_logits=logits, mask_logits=logits))
    assert output.attn.dtype == output.masks.dtype == expected


def test_decoded_fields_are_optional():
    given = fields()
    for name in ('mask_logits', 'recon', 'token_attn'):
        del given[name]
    output = SlotOutput(**given)
    assert output.masks is None and output.recon is None
    assert output.token_attn is None


@pytest.mark.parametrize(
    'changes',
    [
        dict(mask_logits=torch.randn(B, T, 5, N)),
        dict(attn_logits=torch.randn(B, T, 5, N)),
        dict(attn_logits=torch.randn(B, T, 1, N)),
        dict(mask_logits=torch.randn(B, T, K, N + 1)),
        dict(slots_init=torch.randn(B, K, D + 1)),
        dict(slots_init=torch.randn(1, K, D)),
        dict(feats=torch.randn(B, T + 1, N, C)),
        dict(tokens=torch.randn(B * T, N, E)),
        dict(recon=torch.randn(B, T, N + 1, R)),
        dict(token_attn=torch.randn(B, T, N, K)),
        dict(slots=torch.zeros(B, T, K, D, dtype=torch.long)),
        dict(grid=[2, 3]),
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_fields_that_do_not_fit_together_are_refused(changes):
    with pytest.raises(TypeCheckError):
        SlotOutput(**fields(**changes))


@pytest.mark.parametrize(
    ('record', 'good', 'bad'),
    [
        (
            CorrectorOutput,
            dict(
                slots=torch.zeros(B, K, D),
                attn_logits=torch.zeros(B, K, N),
                token_attn=torch.zeros(B, K, N),
                geometry=torch.zeros(B, K, 4),
            ),
            dict(geometry=torch.zeros(B, K, 2)),
        ),
        (
            DecoderOutput,
            dict(recon=torch.zeros(B, N, R), mask_logits=torch.zeros(B, K, N)),
            dict(mask_logits=torch.zeros(B, N, K)),
        ),
        (
            SlotState,
            dict(slots=torch.zeros(B, K, D)),
            dict(geometry=torch.zeros(B, K + 1, 4)),
        ),
    ],
)
def test_records_of_the_parts(record, good, bad):
    record(**good)
    with pytest.raises(TypeCheckError):
        record(**good | bad)


def test_a_misspelt_field_and_a_change_are_refused():
    with pytest.raises(TypeError, match='mask'):
        SlotOutput(**fields(), mask=None)
    output = SlotOutput(**fields())
    with pytest.raises(dataclasses.FrozenInstanceError):
        output.slots = torch.zeros(B, T, K, D)


@pytest.mark.parametrize('name', ['gt_masks', 'pred_masks'])
def test_samples_set_read_and_delete_masks(name):
    sample = VideoDataSample(metainfo=dict(video_id='a', frame_ids=[0, 1]))
    assert name not in sample
    with pytest.raises(AttributeError, match=name):
        getattr(sample, name)
    masks = torch.randint(0, 4, (2, 3, 5))
    setattr(sample, name, masks)
    assert name in sample and sample.keys() == [name]
    assert getattr(sample, name) is masks
    assert sample.video_id == 'a' and sample.frame_ids == [0, 1]
    with pytest.raises(TypeCheckError, match='Tensor'):
        setattr(sample, name, masks.numpy())
    delattr(sample, name)
    assert name not in sample


def test_samples_refuse_masks_of_another_kind():
    sample = VideoDataSample()
    sample.gt_masks = torch.zeros(2, 3, 5)
    with pytest.raises(TypeCheckError):
        _ = sample.gt_masks
    sample.pred_masks = torch.zeros(3, 5, dtype=torch.long)
    with pytest.raises(TypeCheckError):
        _ = sample.pred_masks


def test_samples_move_with_their_masks():
    sample = VideoDataSample(metainfo=dict(video_id='a'))
    sample.gt_masks = torch.ones(2, 3, 5, dtype=torch.long)
    sample.pred_masks = torch.ones(2, 3, 5, dtype=torch.long)
    moved = sample.to('meta')
    for name in ('gt_masks', 'pred_masks'):
        masks: Tensor = getattr(moved, name)
        assert masks.device.type == 'meta'
        assert getattr(sample, name).device.type == 'cpu'
    assert moved.video_id == 'a'


def vos_fields(**changes) -> dict:
    """Return the fields of a mask-propagation record of one layer."""
    frames = range(1, T)
    complete = dict(
        logits=torch.randn(B, T, 11, 4, 4),
        labels=torch.zeros(B, T, 13, 13, dtype=torch.long),
        num_objects=torch.tensor([1, 10]),
        grid=(2, 3),
        attn=(tuple(torch.rand(B, N, t, 4) for t in frames),),
        positions=(tuple(torch.rand(B, t, 4, 2) for t in frames),),
    )
    return complete | changes


def test_unused_channels_have_probability_zero():
    logits = torch.randn(B, T, 11, 4, 4)
    logits[0, :, 2:] = -1e10
    probs = VosOutput(**vos_fields(logits=logits)).probs
    torch.testing.assert_close(probs.sum(dim=2), torch.ones(B, T, 4, 4))
    assert (probs[0, :, 2:] == 0).all() and (probs[1] > 0).all()


def test_attention_of_memory_is_optional():
    given = vos_fields()
    del given['attn'], given['positions']
    assert VosOutput(**given).attn is None


@pytest.mark.parametrize(
    'changes',
    [
        dict(labels=torch.zeros(B, T + 1, 13, 13, dtype=torch.long)),
        dict(labels=torch.zeros(B, T, 13, 13)),
        dict(num_objects=torch.tensor([1, 2, 3])),
        dict(attn=((torch.rand(B + 1, N, 1, 4),),)),
        dict(positions=((torch.rand(B, 1, 4, 3),),)),
    ],
)
def test_vos_fields_must_agree(changes):
    with pytest.raises(TypeCheckError):
        VosOutput(**vos_fields(**changes))


def test_maps_of_a_segmentor_share_the_batch_alone():
    logits = torch.randn(B, 5, 4, 6)
    assert SegOutput().feats == () and SegOutput().logits is None
    record = SegOutput(
        logits=logits,
        feats=(torch.randn(B, 8, 4, 6), torch.randn(B, 16, 2, 3)),
        aux_logits=(torch.randn(B, 5, 2, 3),),
        slot_maps=(torch.randn(B, 4, 3, 5),),
        labels=torch.zeros(B, 32, 48, dtype=torch.long),
    )
    assert record.logits is logits
    for changes in (
        dict(feats=(torch.randn(B + 1, 8, 4, 6),)),
        dict(peer_logits=torch.randn(B, 5, 4)),
        dict(labels=torch.zeros(B, 32, 48)),
    ):
        with pytest.raises(TypeCheckError):
            SegOutput(logits=logits, **changes)


def query_fields(**changes) -> dict:
    """Return the fields of a student's record: F=2 of T=4 frames."""
    targets = TrackTargets(
        labels=torch.tensor([[0, -1], [1, 2]]),
        masks=torch.zeros(B, 2, 4, 8, 8, dtype=torch.bool),
        ids=torch.full((B, 2, 4), -1),
    )
    return (
        dict(
            cls_logits=torch.randn(B, 2, 5, 4),
            mask_logits=torch.randn(B, 2, 5, 2, 2),
            embeds=torch.randn(B, 2, 5, 6),
            reid=torch.randn(B, 2, 5, 6),
            frames=torch.tensor([[0, 2], [1, 3]]),
            match=torch.full((B, 2, 2), -1),
            targets=targets,
        )
        | changes
    )


def test_the_tracked_embedding_is_reid_where_there_is_one():
    given = query_fields()
    assert QueryOutput(**given).features is given['reid']
    assert QueryOutput(**given | dict(reid=None)).features is given['embeds']


def test_a_track_is_visible_where_it_has_a_pixel():
    targets = query_fields()['targets']
    targets.masks[1, 0, 2, 3, 3] = True
    assert targets.visible.nonzero().tolist() == [[1, 0, 2]]


@pytest.mark.parametrize(
    'changes',
    [
        dict(mask_logits=torch.randn(B, 2, 6, 2, 2)),
        dict(reid=torch.randn(B, 2, 5, 7)),
        dict(frames=torch.zeros(B, 3).long()),
        dict(match=torch.zeros(B, 2, 2)),
        dict(targets=torch.zeros(B, 2)),
    ],
)
def test_query_fields_must_agree(changes):
    with pytest.raises(TypeCheckError):
        QueryOutput(**query_fields(**changes))


def test_track_and_video_query_fields_must_agree():
    with pytest.raises(TypeCheckError):
        TrackTargets(
            labels=torch.zeros(B, 2).long(),
            masks=torch.zeros(B, 3, 4, 8, 8, dtype=torch.bool),
            ids=torch.zeros(B, 2, 4).long(),
        )
    with pytest.raises(TypeCheckError):
        VideoQueryOutput(
            cls_logits=torch.randn(B, 5, 4),
            mask_logits=torch.randn(B, 6, 3, 2, 2),
            embeds=torch.randn(B, 5, 6),
        )
