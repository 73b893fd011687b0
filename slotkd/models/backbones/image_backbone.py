"""Any registered image backbone as the backbone of a slot model."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from slotkd.models.backbones.wrapped_backbone import (
    WrappedBackbone,
    strides_of,
)
from slotkd.registry import MODELS


@MODELS.register_module()
class ImageBackbone(WrappedBackbone):
    """One map of a backbone that returns a pyramid of maps.

    The weights of the file that ``init_cfg`` names (here or in the wrapped
    backbone's config) load strictly: a missing tensor is an error, tensors of
    other parts such as a classifier are listed in the log.

    Args:
        backbone: Config or module, (B, 3, H, W) to a map or a sequence of
            maps; with the scope, as ``dict(type='mmseg.MobileNetV2', ...)``.
        out_index: Which of the maps to use. Several are resized bilinearly
            to the size of the first one named and joined along channels.
        feat_dim: Channels of the result; measured where None, else checked.
        normalize: Give each position of each map zero mean and unit variance
            over channels, as the last layer norm of a ViT does. Without it
            the few positions with large activations (often the border)
            dominate a squared reconstruction error.
        frozen: Keep in eval mode, batch norm included, without gradients.
        allow_random: Accept random weights although frozen.
        init_cfg: ``dict(type='Pretrained', checkpoint=path_or_url)``, with
            ``prefix='backbone'`` for a file of a whole segmentor.

    Raises:
        ValueError: If ``out_index`` or ``feat_dim`` does not fit the maps.

    Source:
        Own design, for the interface of mmsegmentation 1.x backbones.
    """

    def __init__(
        self,
        backbone: dict | nn.Module,
        *,
        out_index: int | Sequence[int] = -1,
        feat_dim: int | None = None,
        normalize: bool = False,
        frozen: bool = True,
        allow_random: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            backbone,
            frozen=frozen,
            allow_random=allow_random,
            init_cfg=init_cfg,
        )
        if isinstance(out_index, int):
            out_index = [out_index]
        self.out_indices = tuple(out_index)
        self.normalize = normalize
        probed = self._join(self.probe())
        self.feat_dim, self.patch_size = (
            probed.shape[1],
            strides_of([probed])[0],
        )
        if feat_dim not in (None, self.feat_dim):
            raise ValueError(
                f'feat_dim is {feat_dim}, but '
                f'{type(self.backbone).__name__} gives {self.feat_dim} '
                f'channels at out_index {self.out_indices}'
            )
        self.freeze()

    def forward(
        self, images: Float[Tensor, 'B 3 H W']
    ) -> Float[Tensor, 'B C h w']:
        """Return the chosen map."""
        with self.computing():
            return self._join(self.maps(images))

    def _join(self, maps: Sequence[Tensor]) -> Float[Tensor, 'B C h w']:
        for index in self.out_indices:
            if not -len(maps) <= index < len(maps):
                raise ValueError(
                    f'out_index is {index}, but '
                    f'{type(self.backbone).__name__} returns {len(maps)} maps'
                )
        chosen = [maps[index] for index in self.out_indices]
        if self.normalize:
            chosen = [
                _normalize_channels(feature_map) for feature_map in chosen
            ]
        first, *others = chosen
        resized = [
            F.interpolate(other, first.shape[2:], mode='bilinear')
            for other in others
        ]
        return torch.cat([first, *resized], dim=1)


def _normalize_channels(
    feature_map: Float[Tensor, 'B C h w'],
) -> Float[Tensor, 'B C h w']:
    return F.layer_norm(
        feature_map.movedim(1, -1), feature_map.shape[1:2]
    ).movedim(-1, 1)
