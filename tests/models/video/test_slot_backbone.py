"""A slot model as a backbone: maps, clips, sizes, weights, freezing."""

import pytest
import torch
from mmengine.registry import MODELS as ROOT
from mmengine.registry import DefaultScope
from torch import nn

from slotkd.models.backbones import FreezableBackbone
from slotkd.models.video import SlotBackbone, fit_to_patches
from slotkd.registry import MODELS
from tests import official, tiny

OUTS = ('feats', 'mixed', 'recon', 'masks')
CHANNELS = dict(feats=12, mixed=16, recon=12, masks=4)


def images(batch: int = 2) -> torch.Tensor:
    return tiny.clips(batch=batch, frames=1).flatten(0, 1)


def backbone(out='mixed', **options) -> SlotBackbone:
    options.setdefault('model', tiny.slot_model())
    options.setdefault('allow_random', True)
    return SlotBackbone(options.pop('model'), out, **options)


def as_map(tokens: torch.Tensor, grid=(4, 6)) -> torch.Tensor:
    """Return tokens (B, T, N, C) as maps (B * T, C, h, w)."""
    return tokens.flatten(0, 1).transpose(1, 2).unflatten(2, grid)


@pytest.mark.parametrize('attn', [False, True])
def test_maps_are_the_records_fields(attn):
    config = tiny.slot_model(predict_from='attn' if attn else 'masks')
    model = backbone(OUTS, model=config, num_frames=3)
    clips = tiny.clips()
    record = model.model.run(clips)
    masks = (record.attn if attn else record.masks).transpose(2, 3)
    expected = dict(
        feats=record.feats,
        mixed=torch.einsum('btnk,btkd->btnd', masks, record.slots),
        recon=record.recon,
        masks=masks,
    )
    maps = model(clips.flatten(0, 1))
    for name, found in zip(OUTS, maps, strict=True):
        torch.testing.assert_close(found, as_map(expected[name]))
        assert found.shape == (6, CHANNELS[name], 4, 6)
    assert model.out_channels == tuple(CHANNELS[name] for name in OUTS)


def test_masks_sum_to_one_over_channels():
    (masks,) = backbone('masks')(images())
    torch.testing.assert_close(masks.sum(1), torch.ones(2, 4, 6))


def test_slots_run_over_the_frames_of_a_clip():
    model = backbone(num_frames=3)
    clips = tiny.clips()
    (together,) = model(clips.flatten(0, 1))
    model.num_frames = 1
    (apart,) = model(clips.flatten(0, 1))
    torch.testing.assert_close(together[::3], apart[::3])
    assert not torch.allclose(together[1::3], apart[1::3], atol=1e-3)


def test_clips_do_not_see_each_other():
    model = backbone(num_frames=3)
    clips = tiny.clips().flatten(0, 1)
    (both,) = model(clips)
    torch.testing.assert_close(both[3:], model(clips[3:])[0])


def test_a_batch_of_no_whole_clips_is_refused():
    with pytest.raises(ValueError, match='4 images holds no whole clips of n'):
        backbone(num_frames=3)(images(4))


def test_the_grid_spans_images_of_any_size():
    """A bright right half stays the right half of the grid."""
    model = backbone('feats')
    for height, width in ((16, 24), (15, 22), (13, 21)):
        image = torch.zeros(1, 3, height, width)
        image[..., width // 2 :] = 1
        (maps,) = model(image)
        assert maps.shape[2:] == (4, 6)
        brightness = maps.mean(1)[0]
        assert brightness[:, :2].max() < 0.1 < 0.9 < brightness[:, 4:].min()


def test_whole_patches_are_not_touched():
    image = torch.randn(1, 3, 8, 12)
    assert fit_to_patches(image, 4) is image
    assert fit_to_patches(image, 5).shape == (1, 3, 10, 15)


def test_patch_features_alone_need_no_slots(monkeypatch):
    model = backbone('feats')
    monkeypatch.setattr(model.model, 'corrector', None)
    assert model(images())[0].shape == (2, 12, 4, 6)


def test_masks_of_the_corrector_need_no_decoder(monkeypatch):
    model = backbone('mixed', model=tiny.slot_model(predict_from='attn'))
    monkeypatch.setattr(model.model, 'decoder', None)
    assert model(images())[0].shape == (2, 16, 4, 6)


def test_a_frozen_model_stays_in_eval_without_gradients():
    model = backbone().train()
    assert not any(m.training for m in model.modules())
    assert not any(p.requires_grad for p in model.parameters())
    assert not model(images().requires_grad_())[0].requires_grad


CONVOLUTION = dict(
    type='ImageBackbone',
    backbone=nn.Conv2d(3, 12, 4, stride=4),
    frozen=False,
)


@pytest.mark.parametrize('num_frames', [1, 3])
@pytest.mark.parametrize('out', OUTS)
def test_every_trained_parameter_of_a_trained_model_counts(out, num_frames):
    """Distributed training refuses a parameter without a gradient."""
    config = tiny.slot_model(backbone=CONVOLUTION)
    model = backbone(
        out, model=config, num_frames=num_frames, frozen=False
    ).train()
    (maps,) = model(images(6))
    (maps * torch.randn_like(maps)).sum().backward()
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    reached = {n for n, p in model.named_parameters() if p.grad is not None}
    assert trained == reached
    assert any('backbone.backbone' in name for name in reached)
    assert any('corrector' in name for name in reached) == (out != 'feats')


def save(state: dict, folder) -> str:
    path = folder / 'weights.pth'
    torch.save(dict(state_dict=state), path)
    return str(path)


@pytest.mark.parametrize('origin', ['run', 'distiller'])
def test_loads_a_run_and_a_distillers_student(tmp_path, origin):
    trained = tiny.build(tiny.slot_model())
    state = trained.state_dict()
    if origin == 'distiller':
        state = {f'student.{key}': value for key, value in state.items()}
        state['distill_losses.losses.x.proj.weight'] = torch.zeros(3)
    model = backbone(checkpoint=save(state, tmp_path), allow_random=False)
    model.init_weights()
    other = tiny.build(tiny.slot_model())
    other.load_state_dict(model.model.state_dict(), strict=False)
    torch.testing.assert_close(
        dict(other.state_dict()), dict(trained.state_dict())
    )


def test_loads_a_published_checkpoint(tmp_path):
    published = official.build(official.slot_model())
    path = save(official.official_state(published), tmp_path)
    config = official.slot_model()
    config['backbone'] = dict(config['backbone'], allow_random=False)
    model = SlotBackbone(config, 'recon', checkpoint=path)
    model.init_weights()
    frames = torch.randn(2, 3, 42, 56)
    with torch.no_grad():
        expected = published(frames[:, None]).recon
    torch.testing.assert_close(model(frames)[0], as_map(expected, (3, 4)))


def test_the_models_own_checkpoint_is_taken_over(tmp_path):
    trained = tiny.build(tiny.slot_model(losses={}))
    path = save(trained.state_dict(), tmp_path)
    named = dict(type='Pretrained', checkpoint=path)
    config = tiny.slot_model(init_cfg=named)
    model = backbone(model=config, allow_random=False)
    model.init_weights()
    torch.testing.assert_close(model.model.state_dict(), trained.state_dict())
    with pytest.raises(
        ValueError, match=rf'two checkpoints: other.pth.*{path}'
    ):
        backbone(model=config, checkpoint='other.pth')


def test_frozen_random_slots_are_refused():
    model = backbone(allow_random=False)
    with pytest.raises(RuntimeError, match='random.*give checkpoint= and'):
        model(images())
    twin = backbone(allow_random=False)
    # As a runner loads a checkpoint of a whole segmentor.
    nn.ModuleDict(dict(backbone=twin)).load_state_dict(
        nn.ModuleDict(dict(backbone=model)).state_dict()
    )
    twin(images())


def test_features_alone_need_no_slot_weights():
    assert isinstance(backbone(), FreezableBackbone)
    backbone('feats', allow_random=False)(images())


def test_misfits_are_named(tmp_path):
    wide = tiny.build(tiny.slot_model(slot_dim=20))
    model = backbone(checkpoint=save(wide.state_dict(), tmp_path))
    with pytest.raises(ValueError, match='weights.pth does not fit'):
        model.init_weights()
    with pytest.raises(FileNotFoundError, match='nowhere'):
        backbone(checkpoint='nowhere.pth').init_weights()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(out='slots'), "out='slots' is not one of 'feats', 'mixed'"),
        (dict(out=()), r'a map in out and num_frames >= 1, got out=\(\)'),
        (dict(num_frames=0), 'num_frames=0'),
        (dict(out_channels=17), r'out_channels is \(17,\).*have \(16,\)'),
        (
            dict(out=('feats', 'masks'), out_channels=(12, 5)),
            r'\(12, 5\), but the maps .* have \(12, 4\)',
        ),
    ],
)
def test_refuses_what_does_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        backbone(**options)


def segmentor(**options) -> dict:
    """Return an mmseg config as its user writes it, in mmseg's scope."""
    model = tiny.slot_model()
    return dict(
        type='EncoderDecoder',
        backbone=dict(
            type='slotkd.SlotBackbone', model=model, allow_random=True
        )
        | options,
        decode_head=dict(
            type='FCNHead',
            in_channels=16,
            in_index=0,
            channels=8,
            num_convs=1,
            num_classes=3,
            loss_decode=dict(type='CrossEntropyLoss'),
        ),
        train_cfg=dict(),
        test_cfg=dict(mode='whole'),
    )


def test_is_a_backbone_of_mmseg_in_its_own_scope():
    import mmseg.models  # noqa: F401

    DefaultScope.get_instance('as-a-user', scope_name='mmseg')
    model = ROOT.build(segmentor(frozen=False))
    assert model(torch.randn(2, 3, 15, 23)).shape == (2, 3, 4, 6)
    assert type(model.backbone) is SlotBackbone
    built = MODELS.build(dict(segmentor(), _scope_='mmseg'))
    assert isinstance(built.backbone, SlotBackbone)
