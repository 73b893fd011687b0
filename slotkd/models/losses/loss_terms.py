"""LossTerms: the one place that knows weights, schedules and log names."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.logging import MessageHub
from torch import Tensor, nn

from slotkd.registry import MODELS

SCHEDULE_KEYS = ('loss_weight', 'begin', 'end', 'ramp')


@dataclass(frozen=True, kw_only=True)
class TermSchedule:
    """When and how strongly a term counts, in training iterations.

    The factor is 0 before ``begin`` and from ``end`` on. It rises linearly
    from 0 to 1 over the ``ramp`` iterations after ``begin``.

    Raises:
        ValueError: If a value is negative or ``end`` does not follow
            ``begin``.
    """

    loss_weight: float = 1.0
    begin: int = 0
    end: int | None = None
    ramp: int = 0

    def __post_init__(self) -> None:
        for name in ('begin', 'end', 'ramp'):
            value = getattr(self, name)
            if value is not None and (value != int(value) or value < 0):
                raise ValueError(
                    f'{name} must be a whole number of iterations >= 0, '
                    f'got {value}'
                )
        if self.end is not None and self.end <= self.begin:
            raise ValueError(
                f'end {self.end} must be greater than begin {self.begin}'
            )

    def factor(self, step: int) -> float:
        """Return the weight of the term at a training iteration."""
        if step < self.begin or (self.end is not None and step >= self.end):
            return 0.0
        if step >= self.begin + self.ramp:
            return self.loss_weight
        return self.loss_weight * (step - self.begin) / self.ramp


class LossTerms(nn.Module):
    """Build, schedule, weigh and name the loss terms of a model.

    A term reads the record of one model, ``forward(output)``, or of two,
    ``forward(student, teacher)``. It returns a scalar, logged as
    ``loss_<name>``, or a dictionary: entries named in its class attribute
    ``parts`` are losses ``loss_<name>_<part>`` (``loss_<name>`` for the part
    ``''``), the others are logged as ``<name>_<key>``.

    A term outside its window is not computed but counts 0 times the fields
    it reads, so that distributed training sees a gradient for each parameter
    behind them at every step. A term that owns parameters is computed and
    multiplied by 0, for the same reason.

    Args:
        terms: Name to config of a registered loss, with the reserved keys
            ``loss_weight``, ``begin``, ``end`` and ``ramp`` beside the
            loss's own arguments, see :class:`TermSchedule`.
        records: Names of the records every term must take, for example
            ``('student', 'teacher')``.

    Raises:
        ValueError: If a term's schedule is invalid or its ``forward`` takes
            other records.
    """

    def __init__(
        self, terms: dict[str, dict[str, Any]], records: tuple[str, ...]
    ) -> None:
        super().__init__()
        self.records = records
        self.schedules: dict[str, TermSchedule] = {}
        self.losses = nn.ModuleDict()
        for name, config in terms.items():
            config = dict(config)
            schedule = {
                key: config.pop(key) for key in SCHEDULE_KEYS if key in config
            }
            try:
                self.schedules[name] = TermSchedule(**schedule)
            except ValueError as error:
                raise ValueError(f'loss term {name!r}: {error}') from None
            loss = MODELS.build(config)
            _check_records(name, loss, records)
            self.losses[name] = loss

    def fields(self, record: str, step: int | None = None) -> frozenset[str]:
        """Return the fields of a record that the terms of a step read.

        Of the trained record these are the fields of every term with a
        weight, whatever its window: a decoder that stood still until its
        term begins would leave parameters without a gradient, which
        distributed training refuses. Of the teacher, which has no gradient,
        only those of the terms that are computed.

        Args:
            record: One of the names given at construction.
            step: Training iteration; that of the running loop if None.
        """
        teacher = record == 'teacher'
        attribute = 'teacher_fields' if teacher else 'fields'
        step = training_step(step)
        read: frozenset[str] = frozenset()
        for name, loss in self.losses.items():
            schedule = self.schedules[name]
            weight = schedule.factor(step) if teacher else schedule.loss_weight
            if weight or _owns_parameters(loss):
                read |= frozenset(getattr(loss, attribute))
        return read

    def forward(
        self, *outputs: Any, step: int | None = None
    ) -> dict[str, Tensor]:
        """Return the weighted terms under their log names.

        Args:
            outputs: One record for each name in ``records``.
            step: Training iteration; that of the running loop if None.

        Raises:
            FloatingPointError: If a term is NaN or infinite.
            TypeError: If a term returns other than its ``parts`` promise.
            ValueError: If a term refuses the records; names the term.
        """
        step = training_step(step)
        logged: dict[str, Tensor] = {}
        for name, loss in self.losses.items():
            factor = self.schedules[name].factor(step)
            parts = getattr(loss, 'parts', None)
            if factor == 0 and not _owns_parameters(loss):
                zero = _zero(outputs[0], loss)
                logged |= {key: zero for key in _loss_keys(name, parts)}
                continue
            try:
                value = loss(*outputs)
            except ValueError as error:
                raise ValueError(f'loss term {name!r}: {error}') from error
            logged |= _named(name, value, parts, factor)
        check_finite(logged, step)
        return logged


def check_finite(losses: dict[str, Tensor], step: int) -> None:
    """Stop training before a NaN or infinite loss reaches the weights.

    Raises:
        FloatingPointError: Names the terms, their values and the iteration.
    """
    if not losses:
        return
    values = torch.stack([value.detach().float() for value in losses.values()])
    if torch.isfinite(values).all():
        return
    bad = {
        key: float(value.detach())
        for key, value in losses.items()
        if not torch.isfinite(value)
    }
    listed = ', '.join(f'{key} = {value}' for key, value in bad.items())
    raise FloatingPointError(
        f'loss is not finite at iteration {step}: {listed}; '
        'the weights were left as they were'
    )


def training_step(step: int | None = None) -> int:
    """Return the iteration of the running loop, 0 where none runs.

    Args:
        step: Returned as it is, where given.
    """
    if step is not None:
        return step
    return int(MessageHub.get_current_instance().get_info('iter', 0))


def _owns_parameters(loss: nn.Module) -> bool:
    return any(p.requires_grad for p in loss.parameters())


def _zero(output: Any, loss: Any) -> Tensor:
    """Return an exact 0 that keeps the graph of what a term reads."""
    read = [getattr(output, name) for name in loss.fields]
    # Any tensor of the record says which device and type the zero has.
    values = _tensors(list(vars(output).values()))
    zero = next(t for t in values if t.is_floating_point()).new_zeros(())
    for value in _tensors(read):
        zero = zero + value[:0].sum()  # 0 * inf would be NaN
    return zero


def _tensors(node: Any) -> Iterator[Tensor]:
    """Yield the tensors of a record field, nested ones too."""
    if isinstance(node, Tensor):
        yield node
    elif isinstance(node, list | tuple):
        for item in node:
            yield from _tensors(item)


def _loss_keys(name: str, parts: tuple[str, ...] | None) -> list[str]:
    if parts is None:
        return [f'loss_{name}']
    return [_loss_key(name, part) for part in parts]


def _loss_key(name: str, part: str) -> str:
    return f'loss_{name}_{part}' if part else f'loss_{name}'


def _named(
    name: str,
    value: Tensor | dict[str, Tensor],
    parts: tuple[str, ...] | None,
    factor: float,
) -> dict[str, Tensor]:
    if parts is None and isinstance(value, Tensor):
        return {f'loss_{name}': factor * value}
    if parts is None or isinstance(value, Tensor):
        raise TypeError(
            f'loss term {name!r} returned a {type(value).__name__}, but its '
            f'class declares parts = {parts}'
        )
    return {
        _loss_key(name, key) if key in parts else f'{name}_{key}': (
            factor * entry if key in parts else entry
        )
        for key, entry in value.items()
    }


def _check_records(
    name: str, loss: nn.Module, records: tuple[str, ...]
) -> None:
    taken = tuple(inspect.signature(loss.forward).parameters)
    if taken != records:
        raise ValueError(
            f'loss term {name!r}: {type(loss).__name__}.forward takes '
            f'{taken}, but this place gives {records}; terms of one model '
            'belong in its losses, terms of two in distill_losses'
        )
    needed = ['fields'] + (['teacher_fields'] if 'teacher' in records else [])
    for attribute in needed:
        if not hasattr(loss, attribute):
            raise ValueError(
                f'loss term {name!r}: {type(loss).__name__} does not '
                f'declare {attribute}, the record fields it reads'
            )
