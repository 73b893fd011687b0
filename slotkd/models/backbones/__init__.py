"""Backbones: a batch of images in, one map of patch features out."""

from slotkd.models.backbones.color_histogram import (
    ColorHistogram,
    color_histogram,
)
from slotkd.models.backbones.conv_pyramid import ConvPyramid
from slotkd.models.backbones.dino_vit import DinoViT, resample_positions
from slotkd.models.backbones.freezable import (
    FreezableBackbone,
    optional_weights,
)
from slotkd.models.backbones.image_backbone import ImageBackbone
from slotkd.models.backbones.image_pyramid import ImagePyramid
from slotkd.models.backbones.patch_pixels import PatchPixels, patch_pixels
from slotkd.models.backbones.vit_weights import to_dino_vit, vit_sizes
from slotkd.models.backbones.weight_files import (
    UnsafeCheckpointError,
    check_weights,
    find_tensors,
    read_checkpoint,
)

__all__ = [
    'ColorHistogram',
    'ConvPyramid',
    'DinoViT',
    'FreezableBackbone',
    'ImageBackbone',
    'ImagePyramid',
    'PatchPixels',
    'UnsafeCheckpointError',
    'color_histogram',
    'check_weights',
    'find_tensors',
    'optional_weights',
    'patch_pixels',
    'read_checkpoint',
    'resample_positions',
    'to_dino_vit',
    'vit_sizes',
]
