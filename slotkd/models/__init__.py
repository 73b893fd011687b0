"""models."""

from slotkd.models import backbones

__all__ = ['backbones']
