"""What a user calls: build a model, segment a video."""

from slotkd.apis.convert import (
    Conversion,
    convert_checkpoint,
    write_config,
    write_weights,
)
from slotkd.apis.model import init_model
from slotkd.apis.model_facts import read_facts, unused_facts

__all__ = [
    'Conversion',
    'convert_checkpoint',
    'init_model',
    'read_facts',
    'unused_facts',
    'write_config',
    'write_weights',
]
