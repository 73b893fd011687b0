"""The child registries of slotkd, one for each of mmengine's roots."""

from mmengine import registry as root
from mmengine.registry import Registry

from slotkd import compat

compat.apply()

_MODELS = ['slotkd.models']
_DATA = ['slotkd.datasets']
_ENGINE = ['slotkd.engine']


def _child(name: str, parent: Registry, locations: list[str]) -> Registry:
    return Registry(name, parent=parent, scope='slotkd', locations=locations)


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
