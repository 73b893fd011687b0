"""Convert published checkpoints to files that slotkd loads by name."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.registry import DefaultScope
from torch import Tensor

import slotkd
from slotkd.apis.model_facts import compare_facts, model_facts
from slotkd.engine import write_atomically
from slotkd.models.backbones import (
    check_weights,
    find_tensors,
    optional_weights,
    read_checkpoint,
    to_dino_vit,
)
from slotkd.models.video.slotcontrast_weights import (
    dino_vit_config,
    from_slotcontrast,
    is_slotcontrast,
    slotcontrast_config,
)
from slotkd.registry import MODELS

SOURCES = ('slotcontrast', 'dinov2')
_PROGRESS = ('epoch', 'global_step')


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """A converted checkpoint.

    Args:
        weights: The weights by our names.
        unused: Names in the source that hold no part of the model.
        missing: Names that the source leaves out and nothing reads.
        origin: Name in the source of each weight; None where several were
            joined.
        model: Config of the network that the weights belong to.
        meta: Where the weights come from.
    """

    weights: dict[str, Tensor]
    unused: list[str]
    missing: list[str]
    origin: dict[str, str | None]
    model: dict
    meta: dict


def convert_checkpoint(
    path: str | Path,
    source: str,
    *,
    facts: Mapping[str, Any] | None = None,
    trust: bool = False,
) -> Conversion:
    """Convert a checkpoint; the network is built to compare every weight.

    Args:
        path: File or URL.
        source: ``slotcontrast`` (also SSync and SRL) or ``dinov2``
            (official, timm or Hugging Face layout).
        facts: What the weights do not show, see
            :func:`slotkd.apis.model_facts.model_facts`.
        trust: Read a file that needs unpickling; nothing in it is run.

    Returns:
        The weights and the config of their network.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is unsafe, unreadable, of another layout,
            incomplete, or contradicts the facts.
    """
    if source not in SOURCES:
        raise ValueError(f'source {source!r} is none of {", ".join(SOURCES)}')
    checkpoint = read_checkpoint(path, trust=trust)
    try:
        tensors = find_tensors(checkpoint)
        convert = _slotcontrast if source == 'slotcontrast' else _dinov2
        weights, unused, model = convert(tensors, facts or {})
        network = _build(model)
        optional = optional_weights(network)
        state = network.state_dict()
        check_weights(state, weights, optional=optional, source='the file')
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error
    names = {id(tensor): name for name, tensor in tensors.items()}
    return Conversion(
        weights={k: weights[k].detach() for k in state if k in weights},
        unused=sorted(unused),
        missing=sorted(state.keys() - weights.keys()),
        origin={k: names.get(id(value)) for k, value in weights.items()},
        model=model,
        meta=dict(
            source=Path(path).name,
            layout=source,
            slotkd=slotkd.__version__,
            **{
                key: checkpoint[key]
                for key in _PROGRESS
                if isinstance(checkpoint.get(key), int)
            },
        ),
    )


def write_weights(conversion: Conversion, path: str | Path) -> None:
    """Write the weights to a file that loads with ``weights_only=True``."""
    buffer = io.BytesIO()
    content = dict(meta=conversion.meta, state_dict=conversion.weights)
    torch.save(content, buffer)
    write_atomically(buffer.getvalue(), path)


def write_config(conversion: Conversion, path: str | Path) -> None:
    """Write a config of the converted slot model, with its test pipeline."""
    model = conversion.model
    patch_size = model['backbone']['patch_size']
    height, width = (side * patch_size for side in model['decoder']['grid'])
    resize = (
        dict(type='ResizeVideo', short_side=height)
        if height == width
        else dict(type='ResizeVideo', size=(height, width))
    )
    content = dict(
        default_scope='slotkd',
        model=model,
        test_pipeline=[
            resize,
            dict(type='CenterCropVideo', size=(height, width)),
            dict(type='PackVideoInputs'),
        ],
    )
    lines = [f'# The network of {conversion.meta["source"]}, as converted.']
    lines += [f'{name} = {_source(v)}' for name, v in content.items()]
    write_atomically('\n'.join([*lines, '']).encode(), path)


def _source(value: Any, indent: int = 0) -> str:
    """Return the Python text of nested dicts and lists."""
    if isinstance(value, dict):
        items = [f'{k}={_source(v, indent + 4)}' for k, v in value.items()]
        opening, closing = 'dict(', ')'
    elif isinstance(value, list):
        items = [_source(v, indent + 4) for v in value]
        opening, closing = '[', ']'
    else:
        return repr(value)
    line = opening + ', '.join(items) + closing
    if indent + len(line) <= 70 and '\n' not in line:
        return line
    margin = ' ' * (indent + 4)
    body = ''.join(f'{margin}{item},\n' for item in items)
    return f'{opening}\n{body}{" " * indent}{closing}'


def _slotcontrast(
    tensors: Mapping[str, Tensor], facts: Mapping[str, Any]
) -> tuple[dict[str, Tensor], set[str], dict]:
    if not is_slotcontrast(tensors):
        found = ', '.join(sorted(tensors)[:4])
        raise ValueError(
            f'no SlotContrast layout has a backbone; the file has {found}, ...'
        )
    weights, unused = from_slotcontrast(tensors)
    patch_size = weights['backbone.patch_embed.proj.weight'].shape[-1]
    model = slotcontrast_config(weights, model_facts(facts, patch_size))
    compare_facts(facts, model)
    return weights, unused, model


def _dinov2(
    tensors: Mapping[str, Tensor], facts: Mapping[str, Any]
) -> tuple[dict[str, Tensor], set[str], dict]:
    weights, unused = to_dino_vit(tensors)
    patch_size = weights['patch_embed.proj.weight'].shape[-1]
    model = dino_vit_config(weights, model_facts(facts, patch_size))
    compare_facts(facts, dict(backbone=model))
    return weights, unused, model


def _build(model: dict) -> torch.nn.Module:
    # The preprocessor is looked up in the default scope; no memory is used.
    scope = DefaultScope.overwrite_default_scope('slotkd')
    with scope, torch.device('meta'):
        return MODELS.build(model)
