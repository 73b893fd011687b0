"""What a user calls: build a model, segment a video."""

from slotkd.apis.convert import (
    Conversion,
    convert_checkpoint,
    write_config,
    write_weights,
)
from slotkd.apis.inferencer import SlotInferencer
from slotkd.apis.model import init_model
from slotkd.apis.model_facts import read_facts, unused_facts
from slotkd.apis.slot_proposer import SlotProposer
from slotkd.apis.student import init_student
from slotkd.apis.vos_inferencer import VosInferencer

__all__ = [
    'Conversion',
    'SlotInferencer',
    'SlotProposer',
    'VosInferencer',
    'convert_checkpoint',
    'init_model',
    'init_student',
    'read_facts',
    'unused_facts',
    'write_config',
    'write_weights',
]
