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
from slotkd.apis.student import init_student

__all__ = [
    'Conversion',
    'SlotInferencer',
    'convert_checkpoint',
    'init_model',
    'init_student',
    'read_facts',
    'unused_facts',
    'write_config',
    'write_weights',
]
