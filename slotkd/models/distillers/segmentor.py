"""Take a segmentor of mmsegmentation apart into features, heads and losses.

Nothing of mmsegmentation is imported: a segmentor is what has
``extract_feat`` and a ``decode_head`` with ``loss_by_feat``.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Integer
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from slotkd.structures import SegOutput

# Losses that are a forward pass, then ``loss_by_feat``. One that does more
# cannot be taken apart.
KNOWN_LOSSES = {
    'loss': (
        'EncoderDecoder.loss',
        'BaseDecodeHead.loss',
        'BaseCascadeDecodeHead.loss',
    ),
    '_decode_head_forward_train': (
        'EncoderDecoder._decode_head_forward_train',
        'CascadeEncoderDecoder._decode_head_forward_train',
    ),
    '_auxiliary_head_forward_train': (
        'EncoderDecoder._auxiliary_head_forward_train',
    ),
}


def decode_heads(model: Any) -> dict[str, Any]:
    """Return the decode head, or the stages of a cascade, by log name."""
    return _by_name(model.decode_head, 'decode')


def auxiliary_heads(model: Any) -> dict[str, Any]:
    """Return the auxiliary heads by log name, none where there are none."""
    return _by_name(getattr(model, 'auxiliary_head', None), 'aux')


def _by_name(part: nn.Module | None, name: str) -> dict[str, Any]:
    if part is None:
        return {}
    if isinstance(part, nn.ModuleList):
        return {f'{name}_{index}': head for index, head in enumerate(part)}
    return {name: part}


def check_segmentor(model: nn.Module, role: str, *, trains: bool) -> None:
    """Stop where a model cannot be taken apart.

    Args:
        model: The model.
        role: What to call it in the message.
        trains: Whether its supervised losses are needed too.

    Raises:
        ValueError: Names the model, or the part whose loss is its own.
    """
    for name in ('extract_feat', 'decode_head'):
        if not hasattr(model, name):
            raise ValueError(
                f'{role}: {type(model).__name__} has no {name}, so it is no '
                'EncoderDecoder of mmsegmentation'
            )
    heads: list[nn.Module] = list(decode_heads(model).values())
    if trains:
        heads += [model, *auxiliary_heads(model).values()]
    for part in heads:
        for method, known in KNOWN_LOSSES.items():
            own = getattr(type(part), method, None)
            if own is not None and own.__qualname__ not in known:
                raise ValueError(
                    f'{role}: {type(part).__name__} computes its loss in its '
                    f'own way ({own.__qualname__}); its maps cannot be taken '
                    'out of that'
                )


def run_decode_heads(model: Any, feats: Sequence[Tensor]) -> dict[str, Any]:
    """Return what each decode head gives, a later stage fed by the earlier."""
    outputs: dict[str, Any] = {}
    for name, head in decode_heads(model).items():
        before = list(outputs.values())[-1:]
        outputs[name] = head(feats, *before)
    return outputs


def prediction(
    output: Any, index: int | None, head: nn.Module
) -> Float[Tensor, 'B V h w']:
    """Return the class scores among what a head gives.

    Args:
        output: A map, or several.
        index: Which of several is the prediction.
        head: The head, for the error.

    Raises:
        ValueError: If there are several and ``index`` names none of them.
    """
    if isinstance(output, Tensor):
        return output
    if index is None or not -len(output) <= index < len(output):
        raise ValueError(
            f'{type(head).__name__} gives {len(output)} maps and '
            f'logits_index is {index}; it must name the one that is the '
            'prediction'
        )
    return output[index]


def predictions(
    outputs: Mapping[str, Any],
    heads: Mapping[str, nn.Module],
    index: int | None,
) -> tuple[Float[Tensor, 'B _ _ _'], ...]:
    """Return the :func:`prediction` of each head."""
    return tuple(prediction(outputs[n], index, heads[n]) for n in outputs)


def true_labels(
    data_samples: Sequence[BaseDataElement],
) -> Integer[Tensor, 'B H W']:
    """Stack the class of each pixel of a batch."""
    return torch.cat([sample.gt_sem_seg.data for sample in data_samples])


def training_pass(
    model: Any,
    inputs: Float[Tensor, 'B 3 H W'],
    data_samples: Sequence[BaseDataElement],
    fields: Collection[str],
    logits_index: int | None = None,
) -> tuple[SegOutput, dict[str, Tensor]]:
    """Run a segmentor once; return its maps and its supervised losses.

    The losses are those of the segmentor's own ``loss``, by name and value:
    that calls each head on the features of ``extract_feat`` (backbone and
    neck) and hands what the head gave to its ``loss_by_feat``. The same is
    done here, with features and maps kept. Only a cascade differs: it runs
    its earlier stages twice in mmsegmentation, once here.

    Args:
        model: An ``EncoderDecoder`` or ``CascadeEncoderDecoder``.
        inputs: Normalised images.
        data_samples: Their truth, ``gt_sem_seg``.
        fields: What is wanted of the record beside logits and labels.
        logits_index: See :func:`prediction`.
    """
    feats = model.extract_feat(inputs)
    heads, aux_heads = decode_heads(model), auxiliary_heads(model)
    outputs = run_decode_heads(model, feats)
    aux_outputs = {name: head(feats) for name, head in aux_heads.items()}
    losses = {
        f'{name}.{key}': value
        for name, head in (heads | aux_heads).items()
        for key, value in head.loss_by_feat(
            (outputs | aux_outputs)[name], data_samples
        ).items()
    }
    aux_logits: tuple[Tensor, ...] = ()
    if 'aux_logits' in fields:
        aux_logits = predictions(aux_outputs, aux_heads, logits_index)
    record = SegOutput(
        logits=predictions(outputs, heads, logits_index)[-1],
        feats=tuple(feats) if 'feats' in fields else (),
        aux_logits=aux_logits,
        labels=true_labels(data_samples),
    )
    return record, losses


def teaching_pass(
    model: Any,
    inputs: Float[Tensor, 'B 3 H W'],
    fields: Collection[str],
    logits_index: int | None = None,
) -> dict[str, Any]:
    """Return the wanted maps of a segmentor that does not train.

    Args:
        model: An ``EncoderDecoder`` or ``CascadeEncoderDecoder``.
        inputs: Normalised images.
        fields: ``'logits'``, ``'feats'`` or both; heads run for the first
            only.
        logits_index: See :func:`prediction`.
    """
    feats = model.extract_feat(inputs)
    found: dict[str, Any] = {}
    if 'feats' in fields:
        found['feats'] = tuple(feats)
    if 'logits' in fields:
        outputs = run_decode_heads(model, feats)
        last = list(outputs)[-1]
        head = decode_heads(model)[last]
        found['logits'] = prediction(outputs[last], logits_index, head)
    return found
