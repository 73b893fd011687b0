"""What a registered type may name, and which arguments it takes."""

import difflib
import inspect
from collections.abc import Callable, Collection, Iterator
from importlib import import_module

from mmengine.registry import Registry, root
from torch import nn

ROOTS = [node for node in vars(root).values() if isinstance(node, Registry)]

# Below parts of other packages, their own rules hold.
OWN = ('slotkd.', 'mmengine.', 'mmcv.transforms.')


def is_own(cls: Callable) -> bool:
    """Tell whether a class keeps to slotkd's and mmengine's conventions."""
    return cls.__module__.startswith(OWN)


def arguments(cls: Callable) -> frozenset[str] | None:
    """Return the argument names of a class, or None if it takes any.

    A class of this project or of mmengine that passes ``**kwargs`` on also
    takes the arguments of its parents.
    """
    names: frozenset[str] = frozenset()
    makers = [cls]
    if inspect.isclass(cls) and is_own(cls):
        makers = [
            vars(c)['__init__']
            for c in cls.__mro__
            if '__init__' in vars(c) and c not in (object, nn.Module)
        ]
    for maker in makers:
        try:
            parameters = inspect.signature(maker).parameters
        except ValueError:
            return None
        names |= frozenset(parameters) - {'self'}
        kinds = {p.kind for p in parameters.values()}
        if inspect.Parameter.VAR_KEYWORD not in kinds:
            return names
    return names if not makers else None


def find_classes(kind: str, scope: str) -> list[Callable]:
    """Return what a type may name, over all registries of a scope."""
    found = []
    for node in _registries(scope):
        try:
            item = node.get(kind)
        except (KeyError, RuntimeError):
            continue
        if callable(item) and item not in found:
            found.append(item)
    return found


def _registries(scope: str) -> Iterator[Registry]:
    import_module(f'{scope}.registry')
    for node in ROOTS:
        child = node._search_child(scope)
        yield node if child is None else child


def unregistered(kind: str, scope: str) -> str:
    """Say that no registry of a scope knows a type, and what is close."""
    names: set[str] = set()
    for node in _registries(scope):
        names |= set(node.module_dict)
        if node.parent is not None:
            names |= set(node.parent.module_dict)
    return f'{kind!r} is not registered in {scope!r}' + hint(kind, names)


def nearest(name: str, known: Collection[str]) -> str | None:
    """Return the known name that a name is probably a misspelling of."""
    return next(iter(difflib.get_close_matches(name, known, 1, 0.8)), None)


def hint(name: str, known: Collection[str]) -> str:
    """Return the end of an error message: what was probably meant."""
    near = difflib.get_close_matches(name, known, 1, 0.6)
    return f'; did you mean {near[0]!r}?' if near else ''
