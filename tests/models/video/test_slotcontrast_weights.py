import pytest
import torch

from slotkd.models.video.slotcontrast_weights import (
    ModelFacts,
    from_slotcontrast,
    is_slotcontrast,
    slotcontrast_config,
)
from slotkd.registry import MODELS
from tests import official

NORM = {'backbone.norm.weight', 'backbone.norm.bias'}


@pytest.mark.parametrize(
    ('arch', 'num_slots', 'slot_dim', 'side'),
    [('base', 7, 64, 37), ('base', 15, 128, 24), ('small', 11, 64, 24)],
)
def test_published_models_are_recognised(arch, num_slots, slot_dim, side):
    feat_dim = {'base': 768, 'small': 384}[arch]
    hidden_dims = (1024, 1024, 1024)
    with torch.device('meta'):
        model = official.build(
            official.slot_model(
                backbone=dict(type='DinoViT', arch=arch),
                neck=dict(
                    type='FeatureMLP', feat_dim=feat_dim, out_dim=slot_dim
                ),
                initializer=dict(
                    type='LearnedInitializer',
                    num_slots=num_slots,
                    slot_dim=slot_dim,
                ),
                corrector=dict(
                    type='SlotAttention', slot_dim=slot_dim, token_dim=slot_dim
                ),
                predictor=dict(type='TransformerPredictor', slot_dim=slot_dim),
                decoder=dict(
                    type='MLPDecoder',
                    slot_dim=slot_dim,
                    feat_dim=feat_dim,
                    grid=(side, side),
                    hidden_dims=hidden_dims,
                ),
            )
        )
    weights, unused = from_slotcontrast(official.official_state(model))
    config = slotcontrast_config(weights, ModelFacts())
    assert not unused
    assert config['backbone']['arch'] == arch
    assert config['backbone']['img_size'] == (518, 518)
    assert config['initializer']['num_slots'] == num_slots
    assert config['decoder']['grid'] == (side, side)
    assert config['decoder']['hidden_dims'] == hidden_dims
    config.pop('data_preprocessor')
    with torch.device('meta'):
        twin = MODELS.build(config)
    shapes = {k: v.shape for k, v in twin.state_dict().items()}
    assert shapes == {k: v.shape for k, v in model.state_dict().items()}
    iterations = (twin.num_iters_first, twin.num_iters)
    assert iterations == (3, 2)


def test_names_round_trip_and_the_final_norm_may_be_missing():
    model = official.build(official.slot_model())
    for with_norm in (True, False):
        state = official.official_state(model, with_norm)
        assert is_slotcontrast(state)
        weights, unused = from_slotcontrast(state)
        left = model.state_dict().keys() - weights.keys()
        assert left == (set() if with_norm else NORM)
        assert not unused
        for name, value in weights.items():
            assert value is model.state_dict()[name] or torch.equal(
                value, model.state_dict()[name]
            )
    assert not is_slotcontrast(model.state_dict())


def test_projections_of_srl_are_named_as_unused():
    state = official.official_state(official.build(official.slot_model()))
    extra = {
        'projector.projector.weight': torch.zeros(1),
        'projector2.projector.weight': torch.zeros(1),
        official.VIT + 'mask_token': torch.zeros(1, 12),
    }
    weights, unused = from_slotcontrast(state | extra)
    assert unused == extra.keys()
    assert weights.keys() == from_slotcontrast(state)[0].keys()


@pytest.mark.parametrize(
    'name',
    [
        'processor.module.grouper.to_k.weight',
        'encoder.module.pos_embed.weight',
        'decoder.module.mlp.layers.1.weight',
        'initializer.mean',
        'target_encoder.module.backbone.model.cls_token',
    ],
)
def test_a_tensor_of_an_unknown_head_is_an_error(name):
    state = official.official_state(official.build(official.slot_model()))
    with pytest.raises(ValueError, match='no counterpart') as caught:
        from_slotcontrast(state | {name: torch.zeros(1)})
    assert name in str(caught.value)


def test_models_without_predictor_or_residual_mlp_are_recognised():
    model = official.build(
        official.slot_model(
            predictor=None,
            corrector=dict(
                type='SlotAttention',
                slot_dim=8,
                token_dim=8,
                kvq_dim=16,
                mlp_dim=0,
            ),
        )
    )
    weights, _ = from_slotcontrast(official.official_state(model))
    facts = ModelFacts(num_heads=3, grid=(3, 4))
    config = slotcontrast_config(weights, facts)
    assert config['predictor'] is None
    assert config['corrector']['kvq_dim'] == 16
    assert config['corrector']['mlp_dim'] == 0


def test_what_cannot_be_inferred_is_asked_for():
    model = official.build(official.slot_model())
    weights, _ = from_slotcontrast(official.official_state(model))
    with pytest.raises(ValueError, match='width 12 .* give num_heads'):
        slotcontrast_config(weights, ModelFacts(grid=(3, 4)))
    with pytest.raises(ValueError, match='pos_emb has 12 .* no square'):
        slotcontrast_config(weights, ModelFacts(num_heads=3))
    with pytest.raises(ValueError, match='pos_emb has 12 .* not 3x5'):
        slotcontrast_config(weights, ModelFacts(num_heads=3, grid=(3, 5)))
    del weights['decoder.pos_emb']
    with pytest.raises(ValueError, match='lacks decoder.pos_emb'):
        slotcontrast_config(weights, ModelFacts(num_heads=3))
