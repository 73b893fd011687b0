"""Video models: wire parts over time and return a record."""

from slotkd.models.video.color_propagation import ColorPropagation
from slotkd.models.video.load_weights import load_slot_model, read_slot_weights
from slotkd.models.video.slot_backbone import SlotBackbone, fit_to_patches
from slotkd.models.video.slot_model import SlotVideoModel, hard_masks
from slotkd.models.video.slotcontrast_weights import (
    ModelFacts,
    from_slotcontrast,
    slotcontrast_config,
)
from slotkd.models.video.vos_model import VosModel
from slotkd.models.video.vos_tracker import TrackedFrame, VosTracker

__all__ = [
    'ColorPropagation',
    'ModelFacts',
    'SlotBackbone',
    'SlotVideoModel',
    'TrackedFrame',
    'VosModel',
    'VosTracker',
    'fit_to_patches',
    'from_slotcontrast',
    'hard_masks',
    'load_slot_model',
    'read_slot_weights',
    'slotcontrast_config',
]
