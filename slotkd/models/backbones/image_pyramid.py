"""Any registered image backbone as the encoder of a mask propagator."""

from jaxtyping import Float
from torch import Tensor, nn

from slotkd.models.backbones.wrapped_backbone import (
    Map,
    WrappedBackbone,
    strides_of,
)
from slotkd.registry import MODELS

STRIDES = (4, 8, 16)


@MODELS.register_module()
class ImagePyramid(WrappedBackbone):
    """All maps of a backbone: at strides 4, 8 and 16, and a last at 16.

    Where the backbone gives three maps, the third is also the last.

    Args:
        backbone: Config or module, (B, 3, H, W) to a sequence of three maps
            at strides 4, 8 and 16, or of four with one more at stride 16;
            with the scope, as ``dict(type='mmseg.MobileNetV2', ...)``.
        frozen: Keep in eval mode, batch norm included, without gradients.
        allow_random: Accept random weights although frozen.
        init_cfg: ``dict(type='Pretrained', checkpoint=path_or_url)``; all
            weights must be in the file.

    Raises:
        ValueError: If the maps have other strides.

    Source:
        Own design, for the interface of mmsegmentation 1.x backbones.
    """

    def __init__(
        self,
        backbone: dict | nn.Module,
        *,
        frozen: bool = False,
        allow_random: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            backbone,
            frozen=frozen,
            allow_random=allow_random,
            init_cfg=init_cfg,
        )
        maps = self.probe()
        if strides_of(maps) not in (STRIDES, (*STRIDES, STRIDES[-1])):
            raise ValueError(
                f'{type(self.backbone).__name__} gives maps at strides '
                f'{strides_of(maps)}, mask propagation needs {STRIDES}, and '
                'perhaps one more at 16'
            )
        self.feat_dims = tuple(feature_map.shape[1] for feature_map in maps)
        self.freeze()

    def forward(self, images: Float[Tensor, 'B 3 H W']) -> tuple[Map, ...]:
        """Return all maps."""
        with self.computing():
            return self.maps(images)
