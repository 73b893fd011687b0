import pytest
import torch
from mmengine.config import Config

from slotkd.apis import init_student
from slotkd.models.distillers import Distiller
from tests import tiny

CLIP = tiny.clips()
PREPROCESSOR = dict(type='VideoDataPreprocessor', mean=[1, 2, 3])


def plain_config() -> Config:
    model = tiny.slot_model(data_preprocessor=PREPROCESSOR)
    return Config(dict(default_scope='slotkd', model=model))


def distiller_config() -> Config:
    model = dict(
        type='Distiller',
        student=tiny.slot_model(),
        teacher=tiny.slot_model(slot_dim=24),
        teacher_checkpoint='there/is/none.pth',
        init_from_teacher=True,
        distill_losses=dict(
            slot_match=dict(
                type='SlotMatchLoss', student_dim=16, teacher_dim=24
            )
        ),
        data_preprocessor=PREPROCESSOR,
    )
    return Config(dict(default_scope='slotkd', model=model))


CONFIGS = {'plain': plain_config, 'distiller': distiller_config}


@pytest.fixture
def trained(tmp_path):
    """Save one student alone and in a distiller; return it and the files."""
    student = tiny.build(tiny.slot_model())
    distiller = Distiller(
        student,
        tiny.build(tiny.slot_model(slot_dim=24)),
        distill_losses=distiller_config().model.distill_losses,
    )
    torch.save(student.state_dict(), tmp_path / 'plain.pth')
    state = dict(state_dict=distiller.state_dict(), meta=dict(iter=3))
    torch.save(state, tmp_path / 'distiller.pth')
    return student, tmp_path


@pytest.mark.parametrize('config', CONFIGS)
@pytest.mark.parametrize('file', ['plain', 'distiller'])
def test_any_config_takes_any_checkpoint(trained, config, file):
    student, folder = trained
    model = init_student(CONFIGS[config](), folder / f'{file}.pth')
    assert not model.training
    assert model.data_preprocessor.mean.flatten().tolist() == [1, 2, 3]
    expected = student.eval()(CLIP)
    assert torch.equal(model(CLIP).slots, expected.slots)
    assert torch.equal(model(CLIP).mask_logits, expected.mask_logits)


def test_without_checkpoint_no_teacher_is_asked_for(capfd):
    model = init_student(distiller_config())
    assert model(CLIP).slots.shape == (2, 3, 4, 16)
    out, err = capfd.readouterr()
    assert 'weights are random' in out + err


def test_config_is_kept(trained, tmp_path):
    path = tmp_path / 'config.py'
    plain_config().dump(path)
    model = init_student(path, tmp_path / 'plain.pth')
    assert model.cfg.filename == str(path)


def drop(state, student):
    del state['corrector.to_k.weight']


def add(state, student):
    state['extra.weight'] = torch.zeros(2)


def reshape(state, student):
    state['initializer.slots'] = torch.zeros(1, 9, 16)


@pytest.mark.parametrize(
    ('damage', 'text'),
    [
        (drop, 'missing corrector.to_k.weight'),
        (add, 'unexpected extra.weight'),
        (reshape, r'slots has shape \(1, 9, 16\), the model \(1, 4, 16\)'),
    ],
)
def test_weights_that_do_not_fit_are_named(trained, damage, text):
    student, folder = trained
    state = student.state_dict()
    damage(state, student)
    torch.save(state, folder / 'bad.pth')
    with pytest.raises(ValueError, match=f'bad.pth does not fit.*{text}'):
        init_student(plain_config(), folder / 'bad.pth')


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='no.pth'):
        init_student(plain_config(), tmp_path / 'no.pth')
    with pytest.raises(FileNotFoundError, match='no.py'):
        init_student(tmp_path / 'no.py')


def test_what_no_model_can_be_built_from_is_named(trained):
    config = plain_config()
    config.model.pop('data_preprocessor')
    with pytest.raises(ValueError, match='data_preprocessor is missing'):
        init_student(config)
    config = plain_config()
    config.model.numslots = 3
    with pytest.raises(ValueError, match='numslots'):
        init_student(config)
    with pytest.raises(ValueError, match='model is missing'):
        init_student(Config(dict(default_scope='slotkd')))


def test_unknown_devices_are_named(trained):
    _, folder = trained
    with pytest.raises(ValueError, match='device abacus'):
        init_student(plain_config(), folder / 'plain.pth', 'abacus')
