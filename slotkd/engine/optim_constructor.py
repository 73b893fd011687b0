"""The optimiser constructor: trainable parameters in few, plain groups."""

from typing import Any

from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from torch import nn

from slotkd.registry import OPTIM_WRAPPER_CONSTRUCTORS

Group = dict[str, Any]


def merge_groups(groups: list[Group]) -> list[Group]:
    """Merge parameter groups whose options are equal; drop frozen ones.

    ``paramwise_cfg`` of mmengine makes one group for each parameter, each a
    ``ConfigDict``: slow without ``foreach``, and ``torch.compile`` fails on
    them. The result holds plain dicts in order of first appearance.

    Args:
        groups: Parameter groups of an optimiser.

    Returns:
        Groups without frozen parameters, none of them empty.
    """
    merged: list[Group] = []
    for group in groups:
        params = [p for p in group['params'] if p.requires_grad]
        if not params:
            continue
        options = {k: v for k, v in group.items() if k != 'params'}
        for other in merged:
            if options == {k: v for k, v in other.items() if k != 'params'}:
                other['params'].extend(params)
                break
        else:
            merged.append({'params': params, **options})
    return merged


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class SlotKDOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Build an optimiser over what trains, in few groups of plain dicts.

    Args:
        optim_wrapper_cfg: ``optimizer`` and options of the wrapper.
        paramwise_cfg: As in mmengine; in ``custom_keys`` the longest
            matching substring of a name wins and overrides
            ``norm_decay_mult`` and ``bias_decay_mult``.

    Raises:
        ValueError: If the model has nothing to train.
    """

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Return the wrapped optimiser of a model."""
        if not any(p.requires_grad for p in model.parameters()):
            raise ValueError(
                f'{type(model).__name__} has no trainable parameter among '
                f'its {sum(1 for _ in model.parameters())}: nothing to '
                'optimise'
            )
        wrapper = super().__call__(model)
        groups = wrapper.optimizer.param_groups
        groups[:] = merge_groups(groups)
        return wrapper
