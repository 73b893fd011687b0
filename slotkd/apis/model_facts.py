"""Read the facts about a model that its weights do not show."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slotkd.models.video.slotcontrast_weights import ModelFacts

# Where each fact may stand, nested as in a description of the whole model or
# flat.
_PLACES = {
    'num_heads': ('backbone.num_heads', 'num_heads'),
    'pos_grid': ('backbone.position_grid', 'position_grid'),
    'grid': ('grid',),
    'predictor_heads': ('predictor.heads', 'predictor_heads'),
    'num_iters_first': ('slot_attention.iters_first_frame', 'num_iters_first'),
    'num_iters': ('slot_attention.iters_other_frames', 'num_iters'),
    'input_size': ('input_px', 'input_size'),
}
# Facts that the weights do show; given all the same, they are compared.
_SHOWN = {
    'backbone.patch': 'backbone.patch_size',
    'backbone.embed_dim': 'neck.feat_dim',
    'backbone.register_tokens': 'backbone.num_registers',
    'n_slots': 'initializer.num_slots',
    'slot_dim': 'initializer.slot_dim',
    'feature_mlp.hidden': 'neck.hidden_dim',
    'slot_attention.mlp_hidden': 'corrector.mlp_dim',
    'slot_attention.gru': 'corrector.use_gru',
    'predictor.blocks': 'predictor.num_blocks',
    'predictor.hidden': 'predictor.mlp_dim',
    'decoder.hidden': 'decoder.hidden_dims',
}


def read_facts(path: str | Path) -> dict[str, Any]:
    """Read a JSON file of facts.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not a JSON object.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'no facts at {path}')
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f'{path} is no JSON: {error}') from error
    if not isinstance(content, dict):
        raise ValueError(
            f'{path} holds a {type(content).__name__}, expected an object'
        )
    return content


def model_facts(content: Mapping[str, Any], patch_size: int) -> ModelFacts:
    """Pick the facts that a conversion needs.

    Args:
        content: Facts, each at one of its places: ``num_heads`` or
            ``backbone.num_heads``; ``position_grid`` or
            ``backbone.position_grid``; ``predictor_heads`` or
            ``predictor.heads``; ``num_iters_first`` or
            ``slot_attention.iters_first_frame``; ``num_iters`` or
            ``slot_attention.iters_other_frames``; ``grid``, or the input's
            size in pixels ``input_size`` or ``input_px``.
        patch_size: Side of a patch, to turn the size into a grid.

    Raises:
        ValueError: If a fact is not of its kind, or contradicts another.
    """
    found = {
        name: value
        for name, places in _PLACES.items()
        if (value := _first(content, places)) is not None
    }
    size = found.pop('input_size', None)
    for name in ('pos_grid', 'grid'):
        if name in found:
            found[name] = _pair(found[name], name)
    if size is not None:
        height, width = _pair(size, 'input_size')
        grid = (height // patch_size, width // patch_size)
        if found.setdefault('grid', grid) != grid:
            raise ValueError(
                f'facts contradict each other: grid is {found["grid"]}, but '
                f'input_size {height}x{width} gives {grid}'
            )
    for name, value in found.items():
        if not name.endswith('grid') and not _is_count(value):
            raise ValueError(f'{name} must be a positive integer, got {value}')
    return ModelFacts(**found)


def compare_facts(content: Mapping[str, Any], config: Mapping) -> None:
    """Compare given facts with what the weights show.

    Args:
        content: Facts as in the file.
        config: Config of the model, as inferred from the weights.

    Raises:
        ValueError: If one differs; names both values.
    """
    for place, target in _SHOWN.items():
        given, shown = _at(content, place), _at(config, target)
        if given is None or shown is None:
            continue
        if isinstance(shown, tuple):
            shown = list(shown)
        if given != shown:
            raise ValueError(
                f'{place} is {given} in the facts, but {shown} in the weights'
            )


def unused_facts(content: Mapping[str, Any]) -> list[str]:
    """Return the places that a conversion does not look at, two levels."""
    known = {place for places in _PLACES.values() for place in places}
    known |= _SHOWN.keys()
    found = []
    for key, value in content.items():
        inner = value if isinstance(value, Mapping) and value else None
        found += [f'{key}.{name}' for name in inner] if inner else [key]
    return sorted(set(found) - known)


def _first(content: Mapping[str, Any], places: tuple[str, ...]) -> Any:
    values = (_at(content, place) for place in places)
    return next((value for value in values if value is not None), None)


def _at(content: Any, place: str) -> Any:
    for key in place.split('.'):
        if not isinstance(content, Mapping):
            return None
        content = content.get(key)
    return content


def _pair(value: Any, name: str) -> tuple[int, int]:
    pair = [value, value] if _is_count(value) else value
    if (
        not isinstance(pair, list)
        or len(pair) != 2
        or not all(_is_count(side) for side in pair)
    ):
        raise ValueError(
            f'{name} must be one or two positive integers, got {value}'
        )
    return pair[0], pair[1]


def _is_count(value: Any) -> bool:
    return type(value) is int and value > 0
