"""Distilling mask propagation: what is read, when, and what is kept."""

import copy

import pytest
import torch

from slotkd.models.distillers import VosDistiller
from slotkd.registry import MODELS
from tests import vos

VOID = 255
LENIENT = dict(conf_thr=0, clip_conf_thr=0, max_area_ratio=1e9)
TERMS = dict(
    pseudo_label=dict(type='PseudoLabelLoss', hard_iters=10),
    attn_cka=dict(type='AttentionCKALoss'),
    relation=dict(type='ObjectRelationLoss'),
    splat=dict(type='AttentionSplatLoss'),
)


def build(teacher=None, **changes):
    torch.manual_seed(0)
    student = vos.model(losses=dict(offset_range=dict(type='OffsetRangeLoss')))
    if teacher is None:
        teacher = MODELS.build(vos.model(24 + 8, num_layers=2, stride=1))
    options = dict(distill_losses=TERMS, pseudo=LENIENT) | changes
    return VosDistiller(student, teacher, **options).train()


def test_losses_of_both_reach_the_student_alone():
    model = build()
    losses = model(*vos.clips(), mode='loss')
    assert losses.keys() == {
        'loss_offset_range',
        'loss_pseudo_label',
        'loss_attn_cka',
        'loss_relation',
        'loss_splat',
        'kept_clips',
    }
    sum(v for k, v in losses.items() if 'loss' in k).backward()
    assert all(p.grad is not None for p in model.parameters())
    assert all(p.grad is None for p in model.teacher.parameters())
    assert not any('teacher' in key for key in model.state_dict())
    assert losses['kept_clips'] == 1


def test_poisoned_later_masks_change_nothing():
    """True masks after the first are never read."""
    model = build()
    inputs, samples = vos.clips()
    losses = model(inputs, samples, mode='loss')
    for sample in samples:
        sample.gt_masks[1:] = 7
    poisoned = model(inputs, samples, mode='loss')
    assert losses == poisoned
    for sample in samples:
        sample.gt_masks = sample.gt_masks[:1]
    assert model(inputs, samples, mode='loss') == losses
    for sample in samples:
        sample.gt_masks[0] = sample.gt_masks[0].flip(1)
    assert model(inputs, samples, mode='loss') != losses


def test_label_free_reads_no_mask_at_all():
    options = dict(
        pseudo=dict(mode='label_free', **LENIENT),
        regions=dict(num_clusters=3, min_area=0.01, max_area=0.5),
    )
    teacher = MODELS.build(vos.color_model())
    model = build(teacher, **options)
    inputs, _ = vos.clips()
    torch.manual_seed(1)
    losses = model(inputs, None, mode='loss')
    assert losses['loss_pseudo_label'] > 0 and losses['loss_attn_cka'] > 0
    with pytest.raises(ValueError, match='no data_samples are given'):
        build(teacher)(inputs, None, mode='loss')


def test_a_student_equal_to_its_teacher_learns_its_labels_only():
    teacher = MODELS.build(vos.model())
    model = build(teacher)
    state = teacher.state_dict()
    model.student.load_state_dict(state, strict=False)
    model.student.eval()  # else the policies of training clips differ
    losses = model(*vos.clips(), mode='loss')
    for name in ('attn_cka', 'relation', 'splat'):
        assert losses[f'loss_{name}'].item() == pytest.approx(0, abs=1e-4)


def spied(model, monkeypatch):
    """Record what the student is given."""
    seen = {}
    plain = model.student.run

    def run(inputs, masks, counts, labels=None, fields=None):
        seen.update(inputs=inputs, labels=labels, masks=masks)
        return plain(inputs, masks, counts, labels, fields)

    monkeypatch.setattr(model.student, 'run', run)
    return seen


def test_the_teachers_labels_are_written_then_the_students_own(monkeypatch):
    model = build()
    seen = spied(model, monkeypatch)
    inputs, samples = vos.clips()
    first = torch.stack([s.gt_masks[0] for s in samples])
    model(inputs, samples, mode='loss')
    raw = model.teacher.run(inputs, first, torch.tensor([2, 2]))
    torch.testing.assert_close(seen['labels'], raw.labels)
    model.student.label_iters = 0
    model(inputs, samples, mode='loss')
    assert seen['labels'] is None


def test_only_the_student_sees_changed_colours(monkeypatch):
    inputs, samples = vos.clips()
    model = build(jitter=dict(brightness=0.5))
    seen = spied(model, monkeypatch)
    teachers = []
    plain = model.teacher.run
    monkeypatch.setattr(
        model.teacher,
        'run',
        lambda frames, *args, **options: (
            teachers.append(frames) or plain(frames, *args, **options)
        ),
    )
    model(inputs, samples, mode='loss')
    assert not torch.equal(seen['inputs'], inputs)
    assert torch.equal(teachers[0], inputs)
    model.jitter = None
    model(inputs, samples, mode='loss')
    assert torch.equal(seen['inputs'], inputs)


def test_dropped_clips_contribute_exact_zeros():
    model = build(pseudo=LENIENT | dict(clip_conf_thr=1.0))
    losses = model(*vos.clips(), mode='loss')
    for name in TERMS:
        assert losses[f'loss_{name}'] == 0, name
    assert losses['kept_clips'] == 0
    sum(v for k, v in losses.items() if 'loss' in k).backward()
    grads = [p.grad for p in model.student.parameters()]
    assert all(g is not None and not g.any() for g in grads)


def test_the_way_back_is_checked_where_asked_for():
    """An untrained teacher does not come back to where it began."""
    kept = []
    for threshold in (None, 0, 1):
        rules = LENIENT | dict(cycle_iou_thr=threshold)
        losses = build(pseudo=rules)(*vos.clips(), mode='loss')
        kept.append(float(losses['kept_clips']))
    assert kept == [1, 1, 0]


def test_the_student_works_without_its_teacher():
    model = build()
    inputs, samples = vos.clips()
    expected = model.eval()(inputs, copy.deepcopy(samples), mode='predict')
    student = MODELS.build(vos.model())
    state = {
        key.removeprefix('student.'): value
        for key, value in model.state_dict().items()
        if key.startswith('student.') and '.losses.' not in key
    }
    student.load_state_dict(state)
    object.__delattr__(model, '_holder')
    for one in (model, student.eval()):
        predicted = one(inputs, copy.deepcopy(samples), mode='predict')
        for a, b in zip(predicted, expected, strict=True):
            assert torch.equal(a.pred_masks, b.pred_masks)


def test_a_few_steps_lower_every_loss():
    teacher = MODELS.build(vos.model(32, stride=1))
    model = build(teacher, pseudo=LENIENT)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    inputs, samples = vos.clips(batch=1, frames=2)
    history = []
    for _ in range(20):
        losses = model(inputs, samples, mode='loss')
        optimizer.zero_grad()
        sum(v for k, v in losses.items() if 'loss' in k).backward()
        optimizer.step()
        history.append({k: float(v.detach()) for k, v in losses.items()})
    for name in TERMS:
        key = f'loss_{name}'
        early = sum(h[key] for h in history[:3])
        late = sum(h[key] for h in history[-3:])
        assert late < 0.8 * early, key


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="pseudo.mode='free' is not one of"):
        build(pseudo=dict(mode='free'))
    with pytest.raises(ValueError, match='conf_thr=2 is outside'):
        build(pseudo=dict(conf_thr=2))
    student = vos.model(losses=dict(seg=dict(type='MaskSegmentationLoss')))
    with pytest.raises(ValueError, match="student's own losses read labels"):
        VosDistiller(student, MODELS.build(vos.model()), distill_losses=TERMS)


def test_a_student_begins_with_a_file_of_its_network(tmp_path):
    """Its backbone's own file is not looked for."""
    backbone = dict(
        type='ImagePyramid',
        backbone=dict(
            type='mmseg.MobileNetV2',
            strides=(1, 2, 2, 2, 1, 1, 1),
            dilations=(1, 1, 1, 1, 1, 2, 2),
            out_indices=(1, 2, 3),
        ),
        frozen=True,
        init_cfg=dict(type='Pretrained', checkpoint='nowhere.pth'),
    )
    student = vos.model(losses=dict(offset_range=dict(type='OffsetRangeLoss')))
    student['backbone'] = dict(backbone, init_cfg=None, allow_random=True)
    torch.manual_seed(8)
    source = MODELS.build(student)
    path = tmp_path / 'iter_400.pth'
    torch.save(dict(state_dict=source.state_dict()), path)
    student['backbone'] = backbone
    student['init_cfg'] = dict(type='Pretrained', checkpoint=str(path))
    model = VosDistiller(
        student,
        MODELS.build(vos.model(32, num_layers=2, stride=1)),
        distill_losses=TERMS,
        pseudo=LENIENT,
    )
    model.init_weights()
    for name, value in model.student.state_dict().items():
        assert torch.equal(value, source.state_dict()[name]), name
    losses = model.train()(*vos.clips(), mode='loss')
    assert losses['loss_pseudo_label'] > 0
