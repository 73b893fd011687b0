"""A hook that refuses checkpoints of another model."""

import re
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop, find_latest_checkpoint
from torch import Tensor, nn

from slotkd.registry import HOOKS

SHOWN = 4
# What only training reads.
TRAINING_ONLY = ('losses.', 'distill_losses.')


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


def check_fit(
    state: dict[str, Tensor],
    own: dict[str, Tensor],
    source: str,
    owner: str,
    *,
    allow_missing: bool = False,
) -> None:
    """Stop where the tensors of a file differ from those of a model.

    Args:
        state: Tensors of the file.
        own: Tensors of the model.
        source: What the message calls the file.
        owner: What it calls the model.
        allow_missing: Let the file leave out tensors.

    Raises:
        ValueError: Lists the first few differences on one line.
    """
    found = misfits(state, own, allow_missing)
    if found:
        more = len(found) - SHOWN
        raise ValueError(
            f'{source} does not fit {owner}: {"; ".join(found[:SHOWN])}'
            + (f'; and {more} more' if more > 0 else '')
        )


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


def without_distiller(
    state: dict[str, Tensor], own: dict[str, Tensor]
) -> dict[str, Tensor]:
    """Name a student's tensors as a model does, inside a distiller or not.

    Args:
        state: Tensors of a file.
        own: Tensors of the model that shall take them.
    """
    inside = any(key.startswith('student.') for key in state)
    wanted = any(key.startswith('student.') for key in own)
    if wanted and not inside:
        return {f'student.{key}': value for key, value in state.items()}
    if inside and not wanted:
        return {
            key.removeprefix('student.'): value
            for key, value in state.items()
            if key.startswith('student.')
        }
    return state


def _is_training_only(key: str) -> bool:
    return key.removeprefix('student.').startswith(TRAINING_ONLY)


@HOOKS.register_module()
class StrictLoadHook(Hook):
    """Stop where a checkpoint does not fit, before a weight is replaced.

    mmengine only warns and goes on with the weights that happen to fit. In
    a test, a student may come alone or inside a distiller, whichever the
    config is, and loss terms do not count. What a part declares as optional,
    such as a final norm that nothing reads, may always be missing.

    Args:
        allow_missing: Let ``load_from`` and tests leave out any tensor of
            the model, as when training goes on with a part added. Resuming
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
        wrapped = is_model_wrapper(runner.model)
        model = runner.model.module if wrapped else runner.model
        own = model.state_dict()
        state = {
            re.sub(r'^module\.', '', key): value
            for key, value in checkpoint.get('state_dict', checkpoint).items()
        }
        if not isinstance(runner._train_loop, BaseLoop):
            state = without_distiller(state, own)
            state = {
                k: v for k, v in state.items() if not _is_training_only(k)
            }
            own = {k: v for k, v in own.items() if not _is_training_only(k)}
            checkpoint['state_dict'] = state
        for key in spare_weights(model) - state.keys():
            own.pop(key, None)
        path = runner._load_from or find_latest_checkpoint(runner.work_dir)
        check_fit(
            state,
            own,
            f'checkpoint {path}',
            type(model).__name__,
            allow_missing=self.allow_missing and not runner._resume,
        )
