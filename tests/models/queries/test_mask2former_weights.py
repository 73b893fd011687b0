"""Loading Mask2Former files of mmdet: renamed heads, fresh parts, misfits."""

import pytest
import torch

from slotkd.models.queries.mask2former_weights import load_mask2former
from tests import tiny_queries


@pytest.fixture(scope='module')
def student():
    return tiny_queries.build(tiny_queries.online())


def panoptic_file(model, path, **changes):
    """Save a model under the names of mmdet's image models."""
    state = {
        name.replace('head.', 'panoptic_head.', 1): value.clone()
        for name, value in model.state_dict().items()
        if not name.startswith('reid.')
    }
    for name, value in changes.items():
        state[name.replace('__', '.')] = value
    torch.save(dict(state_dict=state), path)
    return str(path)


def other(model):
    """Return a model of the same kind with other weights."""
    torch.manual_seed(7)
    built = tiny_queries.build(tiny_queries.online())
    for value in built.parameters():
        value.data.add_(1)
    return built


def test_an_image_model_gives_all_but_the_embedding(student, tmp_path):
    path = panoptic_file(student, tmp_path / 'image.pth')
    model = other(student)
    before = model.state_dict()['reid.0.weight'].clone()
    load_mask2former(model, path, head='head')
    state = model.state_dict()
    for name, value in student.state_dict().items():
        if not name.startswith('reid.'):
            assert torch.equal(state[name], value), name
    assert torch.equal(state['reid.0.weight'], before)


def test_other_classes_and_queries_start_anew(student, tmp_path):
    width = tiny_queries.WIDTH
    path = panoptic_file(
        student,
        tmp_path / 'coco.pth',
        panoptic_head__cls_embed__weight=torch.zeros(81, width),
        panoptic_head__cls_embed__bias=torch.zeros(81),
        panoptic_head__query_feat__weight=torch.zeros(100, width),
    )
    model = other(student)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    load_mask2former(model, path, head='head')
    after = model.state_dict()
    for name in ('head.cls_embed.weight', 'head.query_feat.weight'):
        assert torch.equal(after[name], before[name])
    name = 'head.mask_embed.0.weight'
    assert torch.equal(after[name], student.state_dict()[name])


def test_a_student_of_a_distiller_loads_whole(student, tmp_path):
    state = {f'student.{k}': v for k, v in student.state_dict().items()}
    path = tmp_path / 'student.pth'
    torch.save(dict(state_dict=state), path)
    model = other(student)
    load_mask2former(model, str(path), head='head')
    for name, value in student.state_dict().items():
        assert torch.equal(model.state_dict()[name], value)


def test_init_cfg_names_the_file(student, tmp_path):
    path = panoptic_file(student, tmp_path / 'image.pth')
    init = dict(type='Pretrained', checkpoint=path)
    model = tiny_queries.build(tiny_queries.online(init_cfg=init))
    name = 'head.mask_embed.0.weight'
    assert torch.equal(model.state_dict()[name], student.state_dict()[name])


def test_refuses_what_does_not_fit(student, tmp_path):
    path = panoptic_file(
        student, tmp_path / 'wide.pth', backbone__conv1__weight=torch.zeros(9)
    )
    with pytest.raises(ValueError, match='wide.pth does not fit; wrong shape'):
        load_mask2former(other(student), path, head='head')
    path = panoptic_file(student, tmp_path / 'more.pth', neck=torch.zeros(1))
    with pytest.raises(ValueError, match='unknown: neck'):
        load_mask2former(other(student), path, head='head')
    with pytest.raises(FileNotFoundError, match='no checkpoint at none.pth'):
        load_mask2former(student, 'none.pth', head='head')
