"""Segmentors taken apart: the same losses, one pass, clear refusals."""

import pytest
import torch
from torch import nn

from slotkd.models.distillers.segmentor import (
    check_segmentor,
    decode_heads,
    prediction,
    teaching_pass,
    training_pass,
)
from tests import segmentors

LEVELS = [4, 8, 20, 32]


def cascade() -> dict:
    ocr = segmentors.fcn_head(
        LEVELS, [0, 1, 2, 3], type='OCRHead', input_transform='resize_concat'
    )
    for key in ('num_convs', 'concat_input'):
        ocr.pop(key)
    ocr['ocr_channels'] = 8
    first = segmentors.fcn_head(
        LEVELS, [0, 1, 2, 3], input_transform='resize_concat'
    )
    return segmentors.segformer(
        type='CascadeEncoderDecoder', num_stages=2, decode_head=[first, ocr]
    )


MODELS = {
    'plain': segmentors.segformer(),
    'auxiliary head': segmentors.with_auxiliary_head(),
    'auxiliary heads': segmentors.segformer(
        auxiliary_head=[
            segmentors.fcn_head(20, 2),
            segmentors.fcn_head(32, 3, num_convs=2),
        ]
    ),
    'neck': segmentors.segformer(
        neck=dict(type='FPN', in_channels=LEVELS, out_channels=6, num_outs=4),
        decode_head=segmentors.fcn_head(6, 0),
    ),
    'cascade': cascade(),
    'several maps': segmentors.segformer(
        decode_head=dict(
            type='DAHead',
            in_channels=32,
            in_index=3,
            channels=16,
            pam_channels=4,
            num_classes=segmentors.NUM_CLASSES,
            norm_cfg=segmentors.NORM,
            loss_decode=segmentors.LOSS,
        )
    ),
}


@pytest.fixture(params=MODELS, ids=str)
def model(request):
    return segmentors.build(MODELS[request.param])


def images():
    return torch.randn(2, 3, 32, 48)


def test_losses_are_those_of_the_segmentor(model):
    # A cascade draws other dropout, since it runs stages twice.
    is_cascade = isinstance(model.decode_head, nn.ModuleList)
    model.train(not is_cascade)
    inputs, truth = images(), segmentors.samples()
    torch.manual_seed(3)
    expected = model.loss(inputs, truth)
    torch.manual_seed(3)
    _, found = training_pass(model, inputs, truth, (), logits_index=0)
    assert list(found) == list(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, msg=name)
    assert any('loss' in name for name in found)


def test_maps_come_from_the_same_single_pass(model, monkeypatch):
    calls = []
    forward = type(model.backbone).forward

    def counted(self, inputs):
        calls.append(1)
        return forward(self, inputs)

    monkeypatch.setattr(type(model.backbone), 'forward', counted)
    model.eval()
    inputs, truth = images(), segmentors.samples()
    fields = ('feats', 'aux_logits')
    record, _ = training_pass(model, inputs, truth, fields, logits_index=0)
    assert calls == [1]
    expected = model(inputs)
    expected = expected if torch.is_tensor(expected) else expected[0]
    torch.testing.assert_close(record.logits, expected)
    feats = model.extract_feat(inputs)
    assert len(record.feats) == len(feats) == 4
    for found, level in zip(record.feats, feats, strict=True):
        torch.testing.assert_close(found, level)
    heads = getattr(model, 'auxiliary_head', [])
    heads = heads if isinstance(heads, nn.ModuleList | list) else [heads]
    assert len(record.aux_logits) == len(heads)
    for found, head in zip(record.aux_logits, heads, strict=True):
        torch.testing.assert_close(found, head(feats))
    labels = torch.cat([sample.gt_sem_seg.data for sample in truth])
    assert torch.equal(record.labels, labels)


def test_a_teacher_gives_what_is_wanted(model, monkeypatch):
    model.eval()
    inputs = images()
    both = teaching_pass(model, inputs, ('logits', 'feats'), logits_index=0)
    expected = model(inputs)
    expected = expected if torch.is_tensor(expected) else expected[0]
    torch.testing.assert_close(both['logits'], expected)
    monkeypatch.setattr(model, 'decode_head', None)
    feats = teaching_pass(model, inputs, ('feats',))['feats']
    torch.testing.assert_close(feats, both['feats'])


def test_nothing_but_logits_and_labels_is_kept_unasked(model):
    record, _ = training_pass(
        model, images(), segmentors.samples(), (), logits_index=0
    )
    assert record.feats == record.aux_logits == ()
    assert record.logits is not None and record.labels is not None


def test_the_prediction_among_several_maps_must_be_named():
    model = segmentors.build(MODELS['several maps'])
    message = 'DAHead gives 3 maps and logits_index is None'
    with pytest.raises(ValueError, match=message):
        teaching_pass(model, images(), ('logits',))
    maps = torch.randn(3, 1, 5, 2, 2)
    with pytest.raises(ValueError, match='logits_index is 3'):
        prediction(tuple(maps), 3, model.decode_head)
    assert torch.equal(prediction(tuple(maps), -1, nn.Module()), maps[2])


def test_every_model_here_can_be_taken_apart(model):
    check_segmentor(model, 'student', trains=True)


def test_other_models_are_refused():
    with pytest.raises(ValueError, match='student: Linear has no extract_fea'):
        check_segmentor(nn.Linear(2, 2), 'student', trains=True)


def test_losses_of_an_own_kind_are_refused(monkeypatch):
    model = segmentors.build(MODELS['auxiliary head'])

    class OwnHead(type(model.auxiliary_head)):
        def loss(self, inputs, samples, train_cfg):
            return {}

    model.auxiliary_head.__class__ = OwnHead
    check_segmentor(model, 'teacher', trains=False)
    with pytest.raises(ValueError, match=r'student: OwnHead .*OwnHead\.loss'):
        check_segmentor(model, 'student', trains=True)

    class OwnModel(type(model)):
        def _decode_head_forward_train(self, inputs, samples):
            return {}

    model = segmentors.build(MODELS['plain'])
    model.__class__ = OwnModel
    with pytest.raises(ValueError, match='peer: OwnModel computes its loss'):
        check_segmentor(model, 'peer', trains=True)


def test_mask2former_is_refused():
    """Its loss matches queries: there is no map of class scores."""
    from mmseg.models.decode_heads import Mask2FormerHead

    model = segmentors.build(MODELS['plain'])
    model.decode_head.__class__ = type('Other', (nn.Module,), {})
    model.decode_head.__class__.loss = Mask2FormerHead.loss
    with pytest.raises(ValueError, match=r'\(Mask2FormerHead\.loss\)'):
        check_segmentor(model, 'teacher', trains=False)


def test_stages_of_a_cascade_are_in_order():
    model = segmentors.build(cascade())
    assert list(decode_heads(model)) == ['decode_0', 'decode_1']
