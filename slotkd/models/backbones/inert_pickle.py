"""A stand-in for the pickle module that builds data and never runs code.

Tensors and plain containers are built as usual; every other class or function
that a file names becomes a placeholder that accepts whatever the file does to
it. ``torch.load`` takes this module as its ``pickle_module``.
"""

import collections
import functools
import pickle
from pickle import UnpicklingError
from typing import Any

import torch

__all__ = ['Placeholder', 'Unpickler', 'UnpicklingError', 'load']

_BUILTINS = (
    bool,
    bytearray,
    bytes,
    complex,
    dict,
    float,
    frozenset,
    int,
    list,
    set,
    str,
    tuple,
)
_CLASSES = {
    ('collections', 'OrderedDict'): collections.OrderedDict,
    ('torch', 'Size'): torch.Size,
    ('torch', 'device'): torch.device,
    **{('builtins', kind.__name__): kind for kind in _BUILTINS},
}
_FUNCTIONS = {
    ('torch._utils', name): getattr(torch._utils, name)
    for name in ('_rebuild_tensor', '_rebuild_tensor_v2', '_rebuild_parameter')
}


class Placeholder(dict):
    """What a foreign class or function turns into; it does nothing.

    It keeps the items that are set on it, so that a foreign dictionary stays
    readable.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    __hash__ = object.__hash__  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return self is other

    def __setstate__(self, state: Any) -> None:
        return None

    def append(self, item: Any) -> None:
        """Ignore an item of a foreign list."""

    add = extend = append


class Unpickler(pickle.Unpickler):
    """Unpickler that knows tensors and plain values only."""

    def find_class(self, module: str, name: str) -> Any:
        """Return an allowed class or function, or a placeholder."""
        module = 'builtins' if module == '__builtin__' else module
        if (module, name) in _CLASSES:
            return _CLASSES[module, name]
        if (module, name) in _FUNCTIONS:
            # A fresh object: the file cannot set attributes on the original.
            return functools.partial(_FUNCTIONS[module, name])
        if module == 'torch':
            dtype = getattr(torch, name, None)
            if isinstance(dtype, torch.dtype):
                return dtype
        return type(name, (Placeholder,), {'__module__': module})


def load(file: Any, **options: Any) -> Any:
    """Read one object from a binary file."""
    return Unpickler(file, **options).load()
