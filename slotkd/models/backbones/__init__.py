"""Backbones: a batch of images in, one map of patch features out."""

from slotkd.models.backbones.patch_pixels import PatchPixels, patch_pixels

__all__ = ['PatchPixels', 'patch_pixels']
