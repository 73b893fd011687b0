"""The parts of slot video models, in SAVi's roles."""

from slotkd.models.slots.decoders import (
    MLPDecoder,
    SlotMixerDecoder,
    SlotRelativeDecoder,
)
from slotkd.models.slots.feature_mlp import FeatureMLP
from slotkd.models.slots.initializers import (
    GaussianInitializer,
    LearnedInitializer,
)
from slotkd.models.slots.invariant import InvariantSlotAttention
from slotkd.models.slots.predictors import TransformerPredictor
from slotkd.models.slots.slot_attention import SlotAttention

__all__ = [
    'FeatureMLP',
    'GaussianInitializer',
    'InvariantSlotAttention',
    'LearnedInitializer',
    'MLPDecoder',
    'SlotAttention',
    'SlotMixerDecoder',
    'SlotRelativeDecoder',
    'TransformerPredictor',
]
