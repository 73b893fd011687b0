"""What a user calls: build a model, segment a video."""

from slotkd.apis.model import init_model

__all__ = ['init_model']
