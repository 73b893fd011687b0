"""slotkd: distil large video segmentation models into small ones."""

from slotkd import registry

__version__ = '0.1.0'
__all__ = ['__version__', 'registry']
