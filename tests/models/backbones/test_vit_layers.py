import torch
import torch.nn.functional as F

from slotkd.models.backbones.vit_layers import (
    Attention,
    Block,
    FinalNorm,
    SwiGlu,
)


def test_attention_equals_a_loop_over_heads_and_tokens():
    attention = Attention(12, 3).double()
    tokens = torch.randn(2, 5, 12, dtype=torch.float64)
    q, k, v = attention.qkv(tokens).split(12, dim=-1)
    mixed = torch.zeros_like(tokens)
    for head in range(3):
        part = slice(4 * head, 4 * head + 4)
        for token in range(5):
            logits = (k[:, :, part] * q[:, token, None, part]).sum(-1) / 2
            weights = logits.softmax(dim=1).unsqueeze(-1)
            mixed[:, token, part] = (weights * v[:, :, part]).sum(1)
    torch.testing.assert_close(attention(tokens), attention.proj(mixed))


def test_gated_layer_follows_its_formula():
    layer = SwiGlu(6, 24)
    assert layer.w3.in_features == 16
    tokens = torch.randn(1, 3, 6)
    gate, value = layer.w12(tokens).split(16, dim=-1)
    torch.testing.assert_close(layer(tokens), layer.w3(F.silu(gate) * value))


def test_block_is_residual_and_scaled():
    block = Block(12, 3, hidden_dim=48, ffn='mlp')
    tokens = torch.randn(1, 4, 12)
    assert not torch.allclose(block(tokens), tokens)
    block.ls1.gamma.data.zero_()
    block.ls2.gamma.data.zero_()
    torch.testing.assert_close(block(tokens), tokens)
    assert block.norm1.eps == block.norm2.eps == 1e-6


def test_keys_are_the_middle_third():
    block = Block(12, 3, hidden_dim=48, ffn='mlp')
    tokens = torch.randn(1, 4, 12)
    qkv = block.attn.qkv(block.norm1(tokens))
    torch.testing.assert_close(block.keys(tokens), qkv[..., 12:24])


def test_only_an_optional_norm_may_be_missing():
    norm = FinalNorm(4, is_optional=True)
    assert norm.load_state_dict({}, strict=True).missing_keys == []
    weights = {'weight': torch.full((4,), 2.0), 'bias': torch.ones(4)}
    norm.load_state_dict(weights, strict=True)
    torch.testing.assert_close(dict(norm.state_dict()), weights)
    needed = FinalNorm(4, is_optional=False)
    result = needed.load_state_dict({}, strict=False)
    assert result.missing_keys == ['weight', 'bias']
