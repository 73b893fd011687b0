import pytest
import torch
from safetensors.torch import save_file

from slotkd.models.backbones import DinoViT, to_dino_vit, vit_sizes

TINY = dict(embed_dim=24, depth=2, num_heads=4)
SIZES = [(56, 56), (84, 84), (42, 70)]


def noisy(module):
    """Move every parameter away from its initial value."""
    for parameter in module.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return module.eval()


def hugging_face(registers: int = 0, swiglu: bool = False):
    """Return a random model of the transformers library."""
    import transformers as hf

    config, model = (
        (hf.Dinov2WithRegistersConfig, hf.Dinov2WithRegistersModel)
        if registers
        else (hf.Dinov2Config, hf.Dinov2Model)
    )
    options = dict(num_register_tokens=registers) if registers else {}
    return noisy(
        model(
            config(
                hidden_size=24,
                num_hidden_layers=2,
                num_attention_heads=4,
                image_size=56,
                patch_size=14,
                use_swiglu_ffn=swiglu,
                **options,
            )
        )
    )


def ours(state, **options) -> DinoViT:
    """Load foreign tensors into our model, strictly."""
    weights, _ = to_dino_vit(state)
    arch = TINY | options.pop('arch', {})
    vit = DinoViT(arch, img_size=56, **options)
    vit.load_state_dict(weights)
    return vit.to(weights['cls_token'].dtype)


def theirs(model, images, registers: int = 0):
    """Return the maps before and after the final norm."""
    with torch.no_grad():
        output = model(images, output_hidden_states=True)
    grid = (images.shape[2] // 14, images.shape[3] // 14)
    return [
        t[:, 1 + registers :].transpose(1, 2).unflatten(2, grid)
        for t in (output.hidden_states[-1], output.last_hidden_state)
    ]


def official_layout(vit):
    """Return a state dict as facebookresearch/dinov2 saves it."""
    return vit.state_dict() | {'mask_token': torch.randn(1, 24)}


def timm_layout(vit):
    """Return a state dict as timm saves it."""
    state = dict(vit.state_dict())
    if vit.num_registers:
        state['reg_token'] = state.pop('register_tokens')
        state['cls_token'] = state['cls_token'] + state['pos_embed'][:, :1]
        state['pos_embed'] = state['pos_embed'][:, 1:]
    return {
        k.replace('.w12.', '.fc1.').replace('.w3.', '.fc2.'): v
        for k, v in state.items()
    }


def hf_layout(vit, version: int):
    """Return a state dict as transformers saves it."""
    attention = (
        'attention.{}_proj' if version == 5 else 'attention.attention.{}'
    )
    parts = 'qkv' if version == 5 else ('query', 'key', 'value')
    output = 'attention.o_proj' if version == 5 else 'attention.output.dense'
    rename = {
        'attn.proj': output,
        'ls1.gamma': 'layer_scale1.lambda1',
        'ls2.gamma': 'layer_scale2.lambda1',
        'blocks.': 'encoder.layer.',
        'patch_embed.proj': 'embeddings.patch_embeddings.projection',
        'pos_embed': 'embeddings.position_embeddings',
        'cls_token': 'embeddings.cls_token',
        'register_tokens': 'embeddings.register_tokens',
    }
    state = {'embeddings.mask_token': torch.randn(1, 24)}
    for key, value in vit.state_dict().items():
        name = 'layernorm' + key[4:] if key.startswith('norm.') else key
        for old, new in rename.items():
            name = name.replace(old, new)
        if 'attn.qkv' in name:
            for part, piece in zip(parts, value.chunk(3), strict=True):
                new = name.replace('attn.qkv', attention.format(part))
                state[new] = piece.clone()
        else:
            state[name] = value
    return state


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('registers', [0, 3])
@pytest.mark.parametrize(
    ('dtype', 'native_atol'), [(torch.float32, 1e-5), (torch.float64, 1e-12)]
)
def test_parity_with_transformers(size, registers, dtype, native_atol):
    model = hugging_face(registers).to(dtype)
    options = dict(num_registers=registers, pos_antialias=bool(registers))
    vit = ours(model.state_dict(), **options)
    images = torch.randn(2, 3, *size, dtype=dtype)
    found = vit.extract(images, ['block2', 'norm'])
    # transformers resamples the position table in float32
    atol = native_atol if size == (56, 56) else max(native_atol, 2e-6)
    for mine, reference in zip(
        found.values(), theirs(model, images, registers), strict=True
    ):
        torch.testing.assert_close(mine, reference, atol=atol, rtol=1e-6)


@pytest.mark.parametrize('registers', [0, 3])
def test_the_other_antialias_setting_is_visibly_different(registers):
    model = hugging_face(registers)
    options = dict(num_registers=registers, pos_antialias=not registers)
    vit = ours(model.state_dict(), **options)
    images = torch.randn(1, 3, 42, 42)
    difference = vit(images) - theirs(model, images, registers)[0]
    assert difference.abs().max() > 1e-2
    native = torch.randn(1, 3, 56, 56)
    torch.testing.assert_close(
        vit(native), theirs(model, native, registers)[0], atol=1e-5, rtol=1e-5
    )


def test_parity_of_the_gated_layer_with_transformers():
    model = hugging_face(swiglu=True).double()
    vit = ours(model.state_dict(), arch=dict(ffn='swiglu'))
    images = torch.randn(1, 3, 56, 56, dtype=torch.float64)
    torch.testing.assert_close(vit(images), theirs(model, images)[0])


@pytest.mark.parametrize('registers', [0, 3])
@pytest.mark.parametrize('suffix', ['.pth', '.bin', '.safetensors'])
def test_three_layouts_load_to_the_same_features(tmp_path, registers, suffix):
    source = noisy(
        DinoViT(TINY, img_size=56, num_registers=registers, allow_random=True)
    )
    layouts = {
        'official': official_layout(source),
        'timm': timm_layout(source),
        'hf4': hf_layout(source, 4),
        'hf5': hf_layout(source, 5),
        'slotcontrast': {
            'initializer.slots': torch.zeros(1, 2, 3),
            **{
                f'encoder.module.backbone.model.{k}': v
                for k, v in timm_layout(source).items()
                if not k.startswith('norm.')
            },
        },
    }
    images = torch.randn(1, 3, 42, 70)
    for name, state in layouts.items():
        path = tmp_path / f'{name}{suffix}'
        if suffix == '.safetensors':
            save_file({k: v.contiguous() for k, v in state.items()}, path)
        else:
            wrapped = (
                {'state_dict': state} if name == 'slotcontrast' else state
            )
            torch.save(wrapped, path)
        vit = DinoViT(
            TINY,
            img_size=56,
            num_registers=registers,
            init_cfg=dict(type='Pretrained', checkpoint=str(path)),
        )
        vit.init_weights()
        torch.testing.assert_close(
            vit(images), source(images), atol=1e-6, rtol=1e-6
        )


def test_timm_names_of_the_gated_layer():
    source = noisy(DinoViT(TINY | dict(ffn='swiglu'), img_size=56))
    weights, _ = to_dino_vit(timm_layout(source))
    assert weights.keys() == source.state_dict().keys()
    for key, value in source.state_dict().items():
        torch.testing.assert_close(weights[key], value)


def test_transformers_file_of_a_classifier_loads_and_names_its_head():
    model = hugging_face()
    state = {f'dinov2.{k}': v for k, v in model.state_dict().items()}
    state['classifier.weight'] = torch.zeros(5, 48)
    weights, unused = to_dino_vit(state)
    DinoViT(TINY, img_size=56).load_state_dict(weights)
    assert unused == {'classifier.weight', 'mask_token'}


def test_sizes_are_read_off_the_weights():
    vit = DinoViT(
        TINY | dict(mlp_ratio=2), patch_size=8, img_size=40, num_registers=3
    )
    assert vit_sizes(vit.state_dict()) == dict(
        arch=dict(embed_dim=24, depth=2, mlp_ratio=2.0),
        patch_size=8,
        img_size=(40, 40),
        num_registers=3,
    )
    gated = DinoViT(TINY | dict(ffn='swiglu'), img_size=56)
    arch = vit_sizes(gated.state_dict())['arch']
    assert arch == dict(embed_dim=24, depth=2, ffn='swiglu')
    oblong = DinoViT(TINY, img_size=(56, 42)).state_dict()
    assert vit_sizes(oblong, (4, 3))['img_size'] == (56, 42)
    with pytest.raises(ValueError, match='12 patch positions.*no square'):
        vit_sizes(oblong)
    with pytest.raises(ValueError, match='12 patch positions.*not 4x4'):
        vit_sizes(oblong, (4, 4))


def test_unknown_and_missing_keys_are_listed(tmp_path):
    state = DinoViT(TINY, img_size=56).state_dict()
    del state['blocks.1.mlp.fc2.bias']
    state['blocks.0.attn.rel_pos'] = torch.zeros(1)
    state['cls_token'] = torch.zeros(1, 1, 25)
    path = tmp_path / 'odd.pth'
    torch.save(state, path)
    vit = DinoViT(TINY, img_size=56)
    with pytest.raises(ValueError) as caught:
        vit.load_weights(str(path))
    message = str(caught.value)
    assert str(path) in message
    assert 'missing: blocks.1.mlp.fc2.bias;' in message
    assert 'unknown: blocks.0.attn.rel_pos;' in message
    assert 'cls_token (1, 1, 25) for (1, 1, 24)' in message
    assert vit.loaded == frozenset()


def test_half_a_projection_is_an_error():
    state = hf_layout(DinoViT(TINY, img_size=56), 5)
    del state['encoder.layer.1.attention.k_proj.weight']
    with pytest.raises(ValueError, match=r'blocks\.1\.attn\.k\.weight'):
        to_dino_vit(state)


def test_a_file_of_another_network_is_named_by_its_keys():
    with pytest.raises(ValueError, match=r'the file has conv1\.weight'):
        to_dino_vit({'conv1.weight': torch.zeros(1)})
