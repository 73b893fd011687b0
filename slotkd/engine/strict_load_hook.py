"""A hook that refuses checkpoints of another model."""

import re
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import find_latest_checkpoint
from torch import Tensor, nn

from slotkd.registry import HOOKS

SHOWN = 4


def misfits(
    state: dict[str, Tensor], own: dict[str, Tensor], allow_missing: bool
) -> list[str]:
    """List how the tensors of a file differ from those of a model.

    Args:
        state: Tensors of the file.
        own: Tensors of the model.
        allow_missing: Do not list what the file lacks.

    Returns:
        One phrase for each tensor of another shape, missing or left over.
    """
    listed = [
        f'{key} has shape {tuple(state[key].shape)}, the model '
        f'{tuple(value.shape)}'
        for key, value in own.items()
        if key in state and state[key].shape != value.shape
    ]
    if not allow_missing:
        listed += [f'missing {key}' for key in own if key not in state]
    listed += [f'unexpected {key}' for key in state if key not in own]
    return listed


def spare_weights(model: nn.Module) -> set[str]:
    """Return the names that parts of a model declare as optional.

    A backbone lists in ``optional_weights()`` what published files leave out
    and its forward pass does not read.
    """
    return {
        f'{prefix}.{name}'
        for prefix, module in model.named_modules()
        if hasattr(module, 'optional_weights')
        for name in module.optional_weights()
    }


@HOOKS.register_module()
class StrictLoadHook(Hook):
    """Stop where a checkpoint does not fit, before a weight is replaced.

    mmengine only warns and goes on with the weights that happen to fit.

    Args:
        allow_missing: Let ``load_from`` and tests leave out tensors of the
            model, as when training goes on with a part added. Resuming
            never may.
    """

    priority = 'VERY_HIGH'

    def __init__(self, allow_missing: bool = False) -> None:
        self.allow_missing = allow_missing

    def after_load_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Compare names and shapes with the model's.

        Raises:
            ValueError: If they differ; names the file and the tensors.
        """
        state = {
            re.sub(r'^module\.', '', key): value
            for key, value in checkpoint.get('state_dict', checkpoint).items()
        }
        wrapped = is_model_wrapper(runner.model)
        model = runner.model.module if wrapped else runner.model
        spare = spare_weights(model) - state.keys()
        own = model.state_dict()
        found = misfits(
            state,
            {key: value for key, value in own.items() if key not in spare},
            self.allow_missing and not runner._resume,
        )
        if found:
            path = runner._load_from or find_latest_checkpoint(runner.work_dir)
            more = len(found) - SHOWN
            listed = '; '.join(found[:SHOWN])
            raise ValueError(
                f'checkpoint {path} does not fit {type(model).__name__}: '
                f'{listed}' + (f'; and {more} more' if more > 0 else '')
            )
