import dataclasses

import pytest
import torch
from mmengine.config import Config

from slotkd.apis import (
    convert_checkpoint,
    init_model,
    read_facts,
    write_config,
    write_weights,
)
from slotkd.models.backbones import DinoViT, UnsafeCheckpointError
from tests import golden, official

FACTS = official.FACTS


@pytest.fixture
def source(tmp_path):
    """Write an official file; return its path and the model in it."""
    model = official.build(official.slot_model())
    path = tmp_path / 'official.ckpt'
    state = official.official_state(model)
    torch.save(dict(state_dict=state, epoch=2, global_step=7), path)
    return path, model


def edit(path, **changes) -> None:
    """Replace or, with None, remove tensors of a file by official name."""
    content = torch.load(path, weights_only=True)
    for name, value in changes.items():
        content['state_dict'].pop(name, None)
        if value is not None:
            content['state_dict'][name] = value
    torch.save(content, path)


def assert_same_record(ours, theirs) -> None:
    for field in dataclasses.fields(theirs):
        value = getattr(theirs, field.name)
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(
                getattr(ours, field.name), value, atol=1e-5, rtol=1e-5
            )


def test_round_trip_of_a_slot_model(source, tmp_path):
    path, model = source
    conversion = convert_checkpoint(path, 'slotcontrast', facts=FACTS)
    assert conversion.missing == ['backbone.norm.bias', 'backbone.norm.weight']
    assert not conversion.unused
    assert conversion.meta['global_step'] == 7
    origin = conversion.origin['decoder.layers.2.bias']
    assert origin == 'decoder.module.mlp.layers.4.bias'
    write_weights(conversion, tmp_path / 'new.pth')
    write_config(conversion, tmp_path / 'new.py')
    torch.load(tmp_path / 'new.pth', weights_only=True)
    twin = init_model(tmp_path / 'new.py', str(tmp_path / 'new.pth'))
    clips = torch.randn(2, 3, 3, 42, 56)
    with torch.no_grad():
        assert_same_record(twin(clips), model(clips))
    pipeline = Config.fromfile(tmp_path / 'new.py').test_pipeline
    assert pipeline[0] == dict(type='ResizeVideo', size=(42, 56))


@pytest.mark.parametrize(
    'name',
    [
        'initializer.slots',
        'processor.module.corrector.gru.bias_hh',
        'processor.module.predictor.blocks.0.linear1.weight',
        'encoder.module.output_transform.layers.0.weight',
        'decoder.module.mlp.layers.2.bias',
        official.VIT + 'blocks.1.ls2.gamma',
        official.VIT + 'pos_embed',
    ],
)
def test_a_missing_tensor_is_an_error(source, name):
    path, _ = source
    edit(path, **{name: None})
    with pytest.raises(ValueError, match='official.ckpt.*(lacks|missing)'):
        convert_checkpoint(path, 'slotcontrast', facts=FACTS)


def test_a_tensor_too_many_or_of_another_shape_is_an_error(source):
    path, _ = source
    bad = official.VIT + 'blocks.1.attn.rel_pos'
    edit(path, **{bad: torch.zeros(1)})
    with pytest.raises(
        ValueError, match=r'unknown: backbone\.blocks\.1\.attn\.rel_pos'
    ):
        convert_checkpoint(path, 'slotcontrast', facts=FACTS)
    name = 'processor.module.corrector.norm_slots.weight'
    edit(path, **{bad: None, name: torch.zeros(9)})
    with pytest.raises(ValueError, match=r'norm_slots.weight \(9,\) for \(8'):
        convert_checkpoint(path, 'slotcontrast', facts=FACTS)


def test_facts_that_contradict_the_weights_are_an_error(source):
    path, _ = source
    with pytest.raises(ValueError, match='slot_dim is 16 .* but 8'):
        convert_checkpoint(
            path, 'slotcontrast', facts=FACTS | dict(slot_dim=16)
        )
    with pytest.raises(ValueError, match='embed_dim=12 .* num_heads=5'):
        convert_checkpoint(
            path, 'slotcontrast', facts=FACTS | dict(num_heads=5)
        )


def test_the_wrong_source_is_named(source, tmp_path):
    path, model = source
    with pytest.raises(ValueError, match="'timm' is none of slotcontrast"):
        convert_checkpoint(path, 'timm')
    other = tmp_path / 'vit.pth'
    torch.save(model.backbone.state_dict(), other)
    with pytest.raises(ValueError, match='vit.pth: no SlotContrast layout'):
        convert_checkpoint(other, 'slotcontrast', facts=FACTS)


def test_dinov2_gets_official_names(tmp_path):
    source = DinoViT(
        dict(embed_dim=12, depth=1, num_heads=3),
        img_size=56,
        num_registers=2,
        allow_random=True,
    )
    state = dict(source.state_dict())
    state['reg_token'] = state.pop('register_tokens')
    state['cls_token'] = state['cls_token'] + state['pos_embed'][:, :1]
    state['pos_embed'] = state['pos_embed'][:, 1:]
    state['head.weight'] = torch.zeros(3, 12)
    torch.save(state, tmp_path / 'timm.bin')
    conversion = convert_checkpoint(
        tmp_path / 'timm.bin', 'dinov2', facts=dict(num_heads=3)
    )
    assert conversion.unused == ['head.weight']
    assert conversion.origin['pos_embed'] is None
    assert conversion.model['img_size'] == (56, 56)
    write_weights(conversion, tmp_path / 'new.pth')
    vit = DinoViT(
        dict(embed_dim=12, depth=1, num_heads=3),
        img_size=56,
        num_registers=2,
        init_cfg=dict(type='Pretrained', checkpoint=tmp_path / 'new.pth'),
    )
    vit.init_weights()
    images = torch.randn(1, 3, 28, 42)
    torch.testing.assert_close(vit(images), source(images))


@pytest.mark.data
@pytest.mark.parametrize('step', [0, 5])
def test_official_forward_and_losses(shared, tmp_path, step):
    folder = shared / 'golden' / 'a'
    conversion = convert_checkpoint(
        folder / f'slotcontrast_tiny_step{step}.ckpt',
        'slotcontrast',
        facts=read_facts(folder / 'slotcontrast_tiny.json'),
    )
    write_weights(conversion, tmp_path / 'new.pth')
    write_config(conversion, tmp_path / 'new.py')
    model = init_model(tmp_path / 'new.py', str(tmp_path / 'new.pth'))
    arrays = golden.load(shared, 'slotcontrast_tiny')
    clip = torch.as_tensor(arrays['clip'])
    with torch.no_grad():
        output = model(clip)
        losses = model(clip, mode='loss')
    if step == 5:
        # Of this step the file holds the first entries of each weight only.
        for name, ours in conversion.weights.items():
            key = f'sched5head__{conversion.origin[name]}'
            if key in arrays:
                head = torch.as_tensor(arrays[key])
                torch.testing.assert_close(
                    ours.flatten()[: len(head)], head, atol=5e-5, rtol=0
                )
        assert any(key.startswith('sched5head__') for key in arrays)
        return
    for name, value in {
        'feats_backbone': output.feats,
        'feats_mapped': output.tokens,
        'slots': output.slots,
        'attn': output.attn,
        'dec_masks': output.masks,
        'recon': output.recon,
    }.items():
        golden.assert_near(value, arrays[name])
    assert float(losses['loss_recon']) == pytest.approx(
        float(arrays['loss_featrec']), abs=1e-5
    )
    assert float(losses['loss_slot_contrast']) == pytest.approx(
        0.5 * float(arrays['loss_ss']), abs=1e-5
    )


@pytest.mark.data
def test_official_file_with_foreign_objects(shared, tmp_path):
    folder = shared / 'golden' / 'a'
    path = folder / 'slotcontrast_tiny_needs_unpickling.ckpt'
    facts = read_facts(folder / 'slotcontrast_tiny.json')
    with pytest.raises(UnsafeCheckpointError, match='needs unpickling'):
        convert_checkpoint(path, 'slotcontrast', facts=facts)
    conversion = convert_checkpoint(
        path, 'slotcontrast', facts=facts, trust=True
    )
    write_weights(conversion, tmp_path / 'new.pth')
    write_config(conversion, tmp_path / 'new.py')
    model = init_model(tmp_path / 'new.py', str(tmp_path / 'new.pth'))
    arrays = golden.load(shared, 'slotcontrast_tiny')
    with torch.no_grad():
        output = model(torch.as_tensor(arrays['clip']))
    # float16 weights
    golden.assert_near(output.feats, arrays['feats_backbone'], rtol=5e-3)
