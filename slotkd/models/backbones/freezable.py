"""What all backbones with weights share: freezing, and strict loading."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import MMLogger
from mmengine.model import BaseModule
from torch import Tensor, nn

from slotkd.models.backbones.weight_files import (
    check_weights,
    find_tensors,
    read_checkpoint,
)


class FreezableBackbone(BaseModule):
    """A backbone that may be frozen, and then insists on real weights.

    A frozen backbone stays in eval mode, has no trainable parameter and
    computes without gradients. Its features are worthless while its weights
    are random, so :meth:`computing` raises until all weights were loaded, by
    ``init_weights()`` or with a checkpoint of a model that contains it.

    Subclasses call :meth:`freeze` at the end of their constructor, and run
    their forward pass inside :meth:`computing`.

    Args:
        frozen: Whether the backbone is frozen.
        allow_random: Accept random weights in a frozen backbone (tests and
            ablations).
        init_cfg: ``dict(type='Pretrained', checkpoint=...)`` with a local
            path or a URL, and optionally ``prefix`` (of the wanted keys) and
            ``trust`` (see :func:`read_checkpoint`); or another initializer
            of mmengine.
    """

    # How a config names the file, for the error about random weights.
    weights_hint = "give init_cfg=dict(type='Pretrained', checkpoint=...)"

    feat_dim: int
    init_cfg: dict | None
    _is_init: bool

    def __init__(
        self,
        frozen: bool,
        allow_random: bool = False,
        *,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.frozen = frozen
        self.allow_random = allow_random
        self.loaded: frozenset[str] = frozenset()
        self.needed: frozenset[str] = frozenset()

    def freeze(self) -> None:
        """Switch to eval mode and gradients off, where frozen."""
        self.needed = frozenset(
            self.state_dict().keys() - self.optional_weights()
        )
        if self.frozen:
            self.requires_grad_(False)
            self.eval()

    def train(self, mode: bool = True) -> 'FreezableBackbone':
        """Change the mode of a backbone that is not frozen."""
        return super().train(mode and not self.frozen)

    def computing(self, also: Iterable[str] = ()) -> torch.set_grad_enabled:
        """Check the weights and return the context of a forward pass.

        Args:
            also: Optional weights that this pass needs.

        Raises:
            RuntimeError: If the backbone is frozen with random weights.
        """
        if self.frozen and not self.allow_random:
            missing = self.needed.union(also) - self.loaded
            if missing:
                raise RuntimeError(
                    f'{type(self).__name__} is frozen but its weights are '
                    f'random ({min(missing)} was never loaded): '
                    f'{self.weights_hint} and call init_weights(), load a '
                    'checkpoint, or set allow_random=True'
                )
        trains = torch.is_grad_enabled() and not self.frozen
        return torch.set_grad_enabled(trains)

    def init_weights(self) -> None:
        """Load the file that ``init_cfg`` names, by :meth:`load_weights`."""
        config = dict(self.init_cfg or {})
        if self._is_init or config.pop('type', None) != 'Pretrained':
            super().init_weights()
            return
        unknown = config.keys() - {'checkpoint', 'prefix', 'trust'}
        if unknown:
            raise ValueError(
                f'init_cfg of {type(self).__name__} has unknown keys '
                f'{sorted(unknown)}; known are checkpoint, prefix, trust'
            )
        self.load_weights(**config)
        self._is_init = True

    def load_weights(
        self, checkpoint: str | Path, prefix: str = '', *, trust: bool = False
    ) -> None:
        """Load weights from a local file or a URL, strictly.

        Args:
            checkpoint: Path or URL.
            prefix: Beginning of the wanted keys, with or without its dot.
            trust: Read a file that needs unpickling, without running it.

        Raises:
            ValueError: If a key is missing, unknown or of the wrong shape;
                the message lists them.
        """
        tensors = find_tensors(read_checkpoint(checkpoint, trust=trust))
        if prefix:
            dotted = prefix.rstrip('.') + '.'
            tensors = {
                key.removeprefix(dotted): value
                for key, value in tensors.items()
                if key.startswith(dotted)
            }
        weights, unused = self.adapt_weights(tensors)
        optional = self.optional_weights()
        check_weights(
            self.state_dict(),
            weights,
            optional=optional,
            source=str(checkpoint),
        )
        self.load_state_dict(weights, strict=False)
        logger = MMLogger.get_current_instance()
        absent = optional & self.state_dict().keys() - weights.keys()
        for what, names in (('not used', unused), ('not in it', absent)):
            if names:
                logger.warning(
                    f'{checkpoint} for {type(self).__name__}, {what}: '
                    f'{", ".join(sorted(names))}'
                )

    def adapt_weights(
        self, tensors: dict[str, Tensor]
    ) -> tuple[dict[str, Tensor], set[str]]:
        """Rename foreign tensors to this backbone's names.

        Returns:
            The renamed tensors, and the keys that are of no use here.
        """
        return tensors, set()

    def optional_weights(self) -> frozenset[str]:
        """Names of the weights that the usual forward pass does not read."""
        return frozenset()

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any
    ) -> None:
        self.loaded |= {
            name for name in self.state_dict() if prefix + name in state_dict
        }
        super()._load_from_state_dict(state_dict, prefix, *args)


def optional_weights(model: nn.Module) -> frozenset[str]:
    """Return the names of weights that a checkpoint may leave out."""
    return frozenset(
        f'{prefix}.{name}' if prefix else name
        for prefix, module in model.named_modules()
        if isinstance(module, FreezableBackbone)
        for name in module.optional_weights()
    )
