"""Find options of the command line that nothing would read."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from mmengine.config import Config

from slotkd.engine.config_check import ConfigError
from slotkd.engine.top_level_keys import MISPLACED, TOP_LEVEL
from slotkd.engine.type_lookup import hint


def check_options(cfg: Config, options: dict[str, Any]) -> None:
    """Stop where nothing would read an option of the command line.

    Args:
        cfg: Config before the options are merged.
        options: Dotted key to value.

    Raises:
        ConfigError: If the option names a new top-level key, or a variable
            of the config file, whose value other keys have taken already.
    """
    for option in options:
        name = option.partition('.')[0]
        if name in TOP_LEVEL:
            continue
        if name not in cfg:
            raise ConfigError(
                f'--cfg-options {option}: {cfg.filename} has no {name!r}'
                + _instead(name, TOP_LEVEL | set(cfg))
            )
        places = [
            place
            for key in TOP_LEVEL & set(cfg)
            for place in _places(cfg[key], key, name, cfg[name])
        ]
        if places:
            raise ConfigError(
                f'--cfg-options {option}: too late to change {name!r}, its '
                f'value stands in {", ".join(sorted(places))}'
            )


def _instead(name: str, known: Collection[str]) -> str:
    if name in MISPLACED:
        return f'; use {MISPLACED[name]}'
    return hint(name, known)


def _places(node: Any, path: str, name: str, value: Any) -> Iterator[str]:
    """Yield where a key of this name holds this value."""
    items: Iterable = ()
    if isinstance(node, dict):
        items = node.items()
    elif isinstance(node, list | tuple):
        items = enumerate(node)
    for key, item in items:
        if key == name and item == value:
            yield f'{path}.{key}'
        else:
            yield from _places(item, f'{path}.{key}', name, value)
