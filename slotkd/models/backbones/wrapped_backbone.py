"""What the wrappers of registered image backbones share."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from slotkd.models.backbones.freezable import FreezableBackbone
from slotkd.registry import MODELS

_PROBE_SIZE = 64

Map = Float[Tensor, 'B _ _ _']


class WrappedBackbone(FreezableBackbone):
    """A registered backbone whose weights load strictly.

    The checkpoint of the wrapped backbone's own ``init_cfg`` is taken over.
    A missing tensor is an error, tensors of other parts such as a classifier
    are listed in the log. Stages that the backbone itself freezes are frozen
    from the start, not only once it is put in training mode.

    Args:
        backbone: Config or module, (B, 3, H, W) to a map or a sequence of
            maps.
        frozen: See :class:`FreezableBackbone`.
        allow_random: See :class:`FreezableBackbone`.
        init_cfg: See :class:`FreezableBackbone`.

    Raises:
        ValueError: If two checkpoints are named.
    """

    def __init__(
        self,
        backbone: dict | nn.Module,
        *,
        frozen: bool,
        allow_random: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(frozen, allow_random, init_cfg=init_cfg)
        self.backbone = (
            backbone
            if isinstance(backbone, nn.Module)
            else MODELS.build(backbone)
        )
        self.backbone.train()
        self._adopt_checkpoint()

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

    def maps(self, images: Float[Tensor, 'B 3 H W']) -> tuple[Map, ...]:
        """Return all maps of the wrapped backbone."""
        maps = self.backbone(images)
        return (maps,) if isinstance(maps, Tensor) else tuple(maps)

    def probe(self) -> tuple[Map, ...]:
        """Return the maps of a square of zeros, 64 pixels wide."""
        parameter = next(self.backbone.parameters(), torch.zeros(1))
        images = parameter.new_zeros(1, 3, _PROBE_SIZE, _PROBE_SIZE)
        was_training = self.backbone.training
        self.backbone.eval()
        with torch.no_grad():
            maps = self.maps(images)
        self.backbone.train(was_training)
        return maps

    def _adopt_checkpoint(self) -> None:
        """Take over the checkpoint named in the wrapped backbone's config."""
        inner = getattr(self.backbone, 'init_cfg', None)
        if not isinstance(inner, dict) or inner.get('type') != 'Pretrained':
            return
        if self.init_cfg:
            raise ValueError(
                f'{type(self).__name__} has two checkpoints: '
                f'init_cfg {self.init_cfg.get("checkpoint")} and the '
                f"backbone's init_cfg {inner['checkpoint']}"
            )
        self.init_cfg = dict(inner)


def strides_of(maps: Sequence[Map]) -> tuple[int, ...]:
    """Return the strides of maps from :meth:`WrappedBackbone.probe`."""
    return tuple(_PROBE_SIZE // feature_map.shape[2] for feature_map in maps)
