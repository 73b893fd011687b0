"""Any registered image backbone as the backbone of a slot model."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from slotkd.models.backbones.freezable import FreezableBackbone
from slotkd.registry import MODELS

_PROBE_SIZE = 64


@MODELS.register_module()
class ImageBackbone(FreezableBackbone):
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
        super().__init__(frozen, allow_random, init_cfg=init_cfg)
        self.backbone = (
            backbone
            if isinstance(backbone, nn.Module)
            else MODELS.build(backbone)
        )
        if isinstance(out_index, int):
            out_index = [out_index]
        self.out_indices = tuple(out_index)
        self.normalize = normalize
        self._adopt_checkpoint()
        self.feat_dim, self.patch_size = self._measure()
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
            return self._map(images)

    def adapt_weights(
        self, tensors: dict[str, Tensor]
    ) -> tuple[dict[str, Tensor], set[str]]:
        """Put the wrapped backbone's tensors under its name here."""
        inner = self.backbone.state_dict().keys()
        kept = {f'backbone.{k}': tensors[k] for k in tensors.keys() & inner}
        return kept, tensors.keys() - inner

    def optional_weights(self) -> frozenset[str]:
        """Let the step counters of batch norm be missing, as in old files."""
        return frozenset(
            name
            for name in self.state_dict()
            if name.endswith('num_batches_tracked')
        )

    def _adopt_checkpoint(self) -> None:
        """Take over the checkpoint named in the wrapped backbone's config."""
        inner = getattr(self.backbone, 'init_cfg', None)
        if not isinstance(inner, dict) or inner.get('type') != 'Pretrained':
            return
        if self.init_cfg:
            raise ValueError(
                'ImageBackbone has two checkpoints: '
                f'init_cfg {self.init_cfg.get("checkpoint")} and the '
                f"backbone's init_cfg {inner['checkpoint']}"
            )
        self.init_cfg = dict(inner)

    def _measure(self) -> tuple[int, int]:
        """Return the channels and the stride of the result."""
        parameter = next(self.backbone.parameters(), torch.zeros(1))
        images = parameter.new_zeros(1, 3, _PROBE_SIZE, _PROBE_SIZE)
        was_training = self.backbone.training
        self.backbone.eval()
        with torch.no_grad():
            feature_map = self._map(images)
        self.backbone.train(was_training)
        return feature_map.shape[1], _PROBE_SIZE // feature_map.shape[2]

    def _map(self, images: Tensor) -> Tensor:
        maps = self.backbone(images)
        if isinstance(maps, Tensor):
            maps = [maps]
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
