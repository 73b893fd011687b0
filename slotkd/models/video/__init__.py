"""Video models: wire parts over time and return a record."""

from slotkd.models.video.slot_model import SlotVideoModel, hard_masks

__all__ = ['SlotVideoModel', 'hard_masks']
