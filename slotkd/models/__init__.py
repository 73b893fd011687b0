"""models."""

from slotkd.models import backbones
from slotkd.models.preprocessor import VideoDataPreprocessor

__all__ = ['VideoDataPreprocessor', 'backbones']
