"""SegDistiller: what it trains on, whom it holds, what it gives away."""

import copy

import pytest
import torch
from mmengine.model import ExponentialMovingAverage
from mmengine.registry import MODELS as ROOT
from mmengine.registry import DefaultScope

from slotkd.models.distillers import SegDistiller
from slotkd.models.losses import logit_distill_loss
from tests import segmentors, tiny

KL = dict(kl=dict(type='LogitDistillLoss', temperature=2.0))
SLOTS = dict(
    slots=dict(
        type='MapDistillLoss',
        source='slot_maps',
        student_index=1,
        student_channels=8,
        teacher_channels=16,
    )
)
SSYNC = dict(ssync=dict(type='SegSSyncLoss'))


def images():
    return torch.randn(2, 3, 32, 48)


def step(model):
    """Return the losses of one batch."""
    return model(images(), segmentors.samples(), mode='loss')


def distiller(teacher=None, student=None, **options) -> SegDistiller:
    """Return a distiller from a wider teacher, which is ready made."""
    options.setdefault('distill_losses', KL)
    if teacher is None and options['distill_losses'] is KL:
        teacher = segmentors.build(segmentors.segformer(width=8))
    return SegDistiller(student or segmentors.segformer(), teacher, **options)


DECODER = dict(tiny.slot_model()['decoder'], resize_positions=True)


@pytest.fixture
def slot_file(tmp_path):
    """Return a trained slot model and the path of its checkpoint."""
    model = tiny.build(tiny.slot_model(decoder=DECODER))
    path = tmp_path / 'slots.pth'
    torch.save(dict(state_dict=model.state_dict()), path)
    return model, str(path)


def slot_teacher(checkpoint):
    return dict(
        type='SlotBackbone',
        model=tiny.slot_model(decoder=DECODER),
        out='mixed',
        checkpoint=checkpoint,
    )


def save(model, folder, name='teacher.pth'):
    path = folder / name
    torch.save(dict(state_dict=model.state_dict(), meta=dict(iter=3)), path)
    return str(path)


def test_losses_of_labels_and_teacher_are_merged():
    losses = step(distiller())
    assert set(losses) == {'decode.loss_ce', 'decode.acc_seg', 'loss_kl'}
    losses['loss_kl'].backward()


def test_the_term_compares_both_on_the_same_images():
    model = distiller().eval()
    inputs, truth = images(), segmentors.samples()
    with torch.no_grad():
        expected = logit_distill_loss(
            model.student(inputs),
            model.teacher(inputs),
            temperature=2.0,
            valid=torch.arange(8)[:, None].expand(2, 8, 12) > 0,
        )
    found = model(inputs, truth, mode='loss')
    torch.testing.assert_close(found['loss_kl'], expected)
    own = model.student(inputs, truth, mode='loss')
    torch.testing.assert_close(found['decode.loss_ce'], own['decode.loss_ce'])


def test_a_student_that_equals_its_teacher_has_nothing_to_learn():
    teacher = segmentors.build(segmentors.segformer())
    model = distiller(teacher).eval()
    model.student.load_state_dict(teacher.state_dict())
    loss = step(model)['loss_kl']
    loss.backward()
    assert loss.abs() < 1e-6
    grads = [p.grad.abs().max() for p in model.student.parameters()]
    assert max(grads) < 1e-5


def test_keys_are_those_of_the_plain_segmentor():
    """Behind the prefix there is nothing that mmsegmentation lacks."""
    state = distiller().state_dict()
    plain = segmentors.build(segmentors.segformer())
    own = {k.removeprefix('student.') for k in state if 'student.' in k}
    assert own == set(plain.state_dict())
    plain.load_state_dict(
        {k.removeprefix('student.'): v for k, v in state.items()}
    )


def test_projections_are_saved_beside_the_student(slot_file):
    model = distiller(
        slot_teacher=slot_teacher(slot_file[1]), distill_losses=SLOTS
    )
    others = [k for k in model.state_dict() if not k.startswith('student.')]
    assert others == [
        'distill_losses.losses.slots.pair.proj.weight',
        'distill_losses.losses.slots.pair.proj.bias',
    ]


def test_teachers_are_not_part_of_the_model(slot_file):
    model = distiller(
        segmentors.build(segmentors.segformer(width=8)),
        slot_teacher=slot_teacher(slot_file[1]),
        distill_losses=KL | SLOTS,
    )
    model.init_weights()
    held = [model.teacher, model.slot_teacher]
    theirs = {id(p) for teacher in held for p in teacher.parameters()}
    assert theirs and not theirs & {id(p) for p in model.parameters()}
    assert not any('teacher' in key for key in model.state_dict())
    assert copy.deepcopy(model).teacher is model.teacher
    average = ExponentialMovingAverage(model)
    assert average.module.slot_teacher is model.slot_teacher
    for teacher in held:
        assert not any(m.training for m in teacher.modules())
        assert not any(p.requires_grad for p in teacher.parameters())
    model.double()
    assert all(next(t.parameters()).dtype == torch.float64 for t in held)


def test_a_step_changes_the_student_only():
    model = distiller().train()
    before = copy.deepcopy(model.teacher.state_dict())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = step(model)
    sum(v for k, v in losses.items() if 'loss' in k).backward()
    assert all(p.grad is not None for p in model.parameters())
    optimizer.step()
    assert all(p.grad is None for p in model.teacher.parameters())
    for key, value in model.teacher.state_dict().items():
        assert torch.equal(value, before[key])


def test_prediction_is_the_students_alone():
    model = distiller().eval()
    inputs, truth = images(), segmentors.samples()
    assert torch.equal(model(inputs), model.student(inputs))
    expected = model.student(inputs, copy.deepcopy(truth), mode='predict')
    found = model(inputs, truth, mode='predict')
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.equal(ours.pred_sem_seg.data, theirs.pred_sem_seg.data)


def test_preprocessing_is_the_students_unless_told():
    raw = dict(
        inputs=[torch.randint(256, (3, 32, 48), dtype=torch.uint8)],
        data_samples=segmentors.samples(1),
    )
    model = distiller()
    plain = segmentors.build(segmentors.segformer())
    ours, theirs = (m.data_preprocessor(raw)['inputs'] for m in (model, plain))
    assert torch.equal(ours, theirs)
    other = dict(segmentors.PREPROCESSOR, mean=[0, 0, 0], std=[1, 1, 1])
    model = distiller(data_preprocessor=other)
    assert model.data_preprocessor(raw)['inputs'].max() > 100


def test_test_time_augmentation_wraps_it():
    model = distiller().eval()
    tta = segmentors.build(dict(type='SegTTAModel', module=model))
    data = dict(
        inputs=[[torch.zeros(3, 32, 48)], [torch.zeros(3, 32, 48)]],
        data_samples=[segmentors.samples(1), segmentors.samples(1)],
    )
    (merged,) = tta.test_step(data)
    assert merged.pred_sem_seg.data.shape[-2:] == (32, 48)


def test_a_slot_model_teaches_its_maps(slot_file):
    slots, path = slot_file
    model = distiller(slot_teacher=slot_teacher(path), distill_losses=SLOTS)
    assert model.teacher is None
    inputs = images()
    (found,) = model.teach(inputs, {'slot_maps'}).slot_maps
    record = slots.run(inputs[:, None])
    expected = record.masks.transpose(2, 3) @ record.slots
    expected = expected[:, 0].transpose(1, 2).unflatten(2, record.grid)
    torch.testing.assert_close(found, expected)
    losses = model(inputs, segmentors.samples(), mode='loss')
    losses['loss_slots'].backward()
    projection = model.distill_losses.losses.slots.pair.proj
    assert projection.weight.grad.any()


def test_teachers_that_nobody_reads_yet_do_not_run(slot_file):
    terms = dict(
        kl=dict(KL['kl'], begin=100),
        slots=dict(type='PairwiseDistillLoss', source='slot_maps', begin=100),
    )
    model = distiller(
        segmentors.segformer(width=8),
        teacher_checkpoint='nowhere.pth',
        slot_teacher=slot_teacher('nowhere.pth'),
        distill_losses=terms,
    )
    losses = step(model)
    assert losses['loss_kl'] == losses['loss_slots'] == 0
    model(images(), mode='predict')
    with pytest.raises(FileNotFoundError, match='nowhere.pth'):
        model.init_weights()


def test_features_of_a_level_are_distilled():
    terms = {
        name: dict(
            type=kind,
            source='feats',
            student_index=2,
            teacher_index=2,
            student_channels=20,
            teacher_channels=40,
        )
        for name, kind in (
            ('features', 'MapDistillLoss'),
            ('channels', 'ChannelDistillLoss'),
        )
    }
    terms['pairs'] = dict(type='PairwiseDistillLoss', nodes=(2, 3))
    model = distiller(
        segmentors.build(segmentors.segformer(width=8)), distill_losses=terms
    )
    model.teacher.decode_head = None  # heads run for logits only
    losses = step(model)
    assert {'loss_features', 'loss_channels', 'loss_pairs'} < set(losses)
    sum(losses[f'loss_{name}'] for name in terms).backward()
    assert model.student.backbone.layers[2][0].projection.weight.grad.any()
    assert model.student.decode_head.conv_seg.weight.grad is None


def test_a_teacher_is_loaded_from_its_run(tmp_path):
    trained = segmentors.build(segmentors.with_auxiliary_head(8))
    path = save(trained, tmp_path)
    model = distiller(
        segmentors.with_auxiliary_head(8), teacher_checkpoint=path
    )
    model.init_weights()
    state = trained.state_dict()
    for key, value in model.teacher.state_dict().items():
        assert torch.equal(value, state[key])
    assert not hasattr(model.teacher, 'auxiliary_head')


def test_a_distilled_student_may_teach(tmp_path):
    first = distiller()
    model = distiller(
        segmentors.segformer(), teacher_checkpoint=save(first, tmp_path)
    )
    torch.testing.assert_close(
        dict(model.teacher.state_dict()), dict(first.student.state_dict())
    )


def test_heads_of_one_model_are_synchronised():
    model = distiller(
        student=segmentors.with_auxiliary_head(),
        losses=SSYNC,
        distill_losses={},
    )
    losses = step(model)
    assert {'loss_ssync_bd', 'loss_ssync_nbd', 'ssync_agreement'} < set(losses)
    assert {'decode.loss_ce', 'aux.loss_ce'} < set(losses)
    losses['loss_ssync_bd'].backward()
    student = model.student
    # Boundaries of the decode head teach the auxiliary head.
    assert student.auxiliary_head.conv_seg.weight.grad.any()
    assert student.decode_head.conv_seg.weight.grad is None


def test_a_second_student_learns_beside_the_first():
    terms = dict(ssync=dict(type='SegSSyncLoss', second='peer_logits'))
    model = distiller(
        peer=segmentors.segformer(width=8), losses=terms, distill_losses={}
    )
    losses = step(model)
    assert {'decode.loss_ce', 'peer_decode.loss_ce'} < set(losses)
    sum(v for k, v in losses.items() if 'loss' in k).backward()
    assert all(p.grad is not None for p in model.parameters())
    assert model(images()).shape == (2, 5, 8, 12)


def test_a_user_names_it_with_a_prefix_in_mmsegs_scope(tmp_path, slot_file):
    teacher = segmentors.build(segmentors.segformer(width=8))
    DefaultScope.get_instance('as-a-user', scope_name='mmseg')
    model = ROOT.build(
        dict(
            type='slotkd.SegDistiller',
            data_preprocessor=segmentors.PREPROCESSOR,
            student=segmentors.with_auxiliary_head(),
            teacher=segmentors.segformer(width=8),
            teacher_checkpoint=save(teacher, tmp_path),
            slot_teacher=slot_teacher(slot_file[1]),
            losses=SSYNC,
            distill_losses=KL | SLOTS,
        )
    )
    model.init_weights()
    assert len(step(model)) == 4 + 2 + 6 + 2


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(teacher=segmentors.segformer()), 'teacher_checkpoint is missi'),
        (
            dict(distill_losses={}, teacher_checkpoint='a.pth'),
            'teacher_checkpoint a.pth has no teacher',
        ),
        (
            dict(slot_teacher=slot_teacher(None), distill_losses=SLOTS),
            r'slot_teacher\.checkpoint is missing',
        ),
        (
            dict(losses=SSYNC, distill_losses={}),
            "'ssync' reads aux_logits, which the student does not have",
        ),
        (
            dict(distill_losses=SLOTS),
            "'slots' reads slot_maps of a teacher, but there is no slot_teac",
        ),
        (
            dict(distill_losses=dict(KL)),
            "'kl' reads logits of a teacher, but there is no teacher",
        ),
        (
            dict(slot_teacher=slot_teacher('a.pth')),
            'slot_teacher is given, but no term of distill_losses reads it',
        ),
        (
            dict(
                student=segmentors.with_auxiliary_head(),
                losses=dict(kl=SSYNC['ssync']),
            ),
            r"both have a term \['kl'\]",
        ),
    ],
)
def test_refuses_what_does_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        distiller(**options)


def test_a_built_teacher_is_checked_as_well():
    with pytest.raises(ValueError, match='teacher: Linear has no extract_fe'):
        distiller(torch.nn.Linear(2, 2))


def test_a_teacher_of_other_classes_is_named():
    head = dict(segmentors.segformer(8)['decode_head'], num_classes=7)
    teacher = segmentors.build(segmentors.segformer(8, decode_head=head))
    told = "term 'kl': the student has 5 channels in logits, the teacher 7"
    with pytest.raises(ValueError, match=told):
        step(distiller(teacher))


def test_a_teacher_that_does_not_fit_its_file_is_named(tmp_path):
    path = save(segmentors.build(segmentors.segformer(4)), tmp_path)
    model = distiller(segmentors.segformer(8), teacher_checkpoint=path)
    with pytest.raises(ValueError, match='teacher.pth does not fit the teach'):
        model.init_weights()
