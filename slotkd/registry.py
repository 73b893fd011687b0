"""The child registries of slotkd, one for each of mmengine's roots."""

import difflib

from mmengine import registry as root
from mmengine.registry import Registry

from slotkd import compat

compat.apply()

_MODELS = ['slotkd.models']
_DATA = ['slotkd.datasets']
_ENGINE = ['slotkd.engine']


class SlotKDRegistry(Registry):
    """A registry whose error says what a name that it lacks may have meant.

    Without slotkd, mmengine reports ``slotkd.X`` as a name that is not in the
    registry it was looked up in; this one speaks where slotkd is there and
    the name is wrong.
    """

    def get(self, key: str) -> type | None:
        """Return what a name stands for.

        Args:
            key: Name, with or without scope, or full path of a class.

        Returns:
            The class; None for a path that the caller may still resolve.

        Raises:
            KeyError: If the name is neither here nor in mmengine's root.
        """
        found = super().get(key)
        name = key.removeprefix('slotkd.')
        if found is None and '.' not in name:
            raise KeyError(
                f'{key} is not in the slotkd::{self.name} registry'
                + self._hint(name)
            )
        return found

    def _hint(self, name: str) -> str:
        """Return what was probably meant: a sibling's part, or a near name."""
        for scope, sibling in self.parent.children.items():
            if scope != self.scope and name in sibling.module_dict:
                return f'; {scope} has one: write {scope}.{name}'
        known = [*self.module_dict, *self.parent.module_dict]
        near = difflib.get_close_matches(name, known, 1, 0.6)
        return f'; did you mean {near[0]!r}?' if near else ''


def _child(name: str, parent: Registry, locations: list[str]) -> Registry:
    return SlotKDRegistry(
        name, parent=parent, scope='slotkd', locations=locations
    )


RUNNERS = _child('runner', root.RUNNERS, [])
RUNNER_CONSTRUCTORS = _child(
    'runner constructor', root.RUNNER_CONSTRUCTORS, []
)
LOOPS = _child('loop', root.LOOPS, _ENGINE)
HOOKS = _child('hook', root.HOOKS, _ENGINE)
LOG_PROCESSORS = _child('log processor', root.LOG_PROCESSORS, [])
DATASETS = _child('dataset', root.DATASETS, _DATA)
DATA_SAMPLERS = _child('data sampler', root.DATA_SAMPLERS, _DATA)
TRANSFORMS = _child('transform', root.TRANSFORMS, _DATA)
MODELS = _child('model', root.MODELS, _MODELS)
MODEL_WRAPPERS = _child('model wrapper', root.MODEL_WRAPPERS, [])
WEIGHT_INITIALIZERS = _child(
    'weight initializer', root.WEIGHT_INITIALIZERS, []
)
OPTIMIZERS = _child('optimizer', root.OPTIMIZERS, [])
OPTIM_WRAPPERS = _child('optim wrapper', root.OPTIM_WRAPPERS, [])
OPTIM_WRAPPER_CONSTRUCTORS = _child(
    'optimizer wrapper constructor', root.OPTIM_WRAPPER_CONSTRUCTORS, _ENGINE
)
PARAM_SCHEDULERS = _child(
    'parameter scheduler', root.PARAM_SCHEDULERS, _ENGINE
)
TASK_UTILS = _child('task util', root.TASK_UTILS, [])
METRICS = _child('metric', root.METRICS, ['slotkd.evaluation'])
EVALUATOR = _child('evaluator', root.EVALUATOR, [])
VISUALIZERS = _child('visualizer', root.VISUALIZERS, [])
VISBACKENDS = _child('vis_backend', root.VISBACKENDS, [])
INFERENCERS = _child('inferencer', root.INFERENCERS, ['slotkd.apis'])
