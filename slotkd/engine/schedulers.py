"""Learning-rate schedules with a warm-up, of slot and of mask models."""

from mmengine.optim import OptimWrapper, _ParamScheduler
from torch.optim import Optimizer

from slotkd.registry import PARAM_SCHEDULERS

NO_END = 10**9


def warmup_decay_factor(
    step: int, warmup: int, *, decay_end: int, decay_rate: float = 0.5
) -> float:
    """Return the multiple of the peak rate at an iteration.

    ``step / warmup`` in the warm-up, then
    ``decay_rate ** ((step - warmup) / (decay_end - warmup))``: 0 at the very
    first iteration, 1 at ``warmup``, ``decay_rate`` at ``decay_end``, lower
    beyond.

    Args:
        step: Iterations done.
        warmup: Iteration that has the peak rate.
        decay_end: Iteration whose factor is ``decay_rate``.
        decay_rate: Fall from ``warmup`` to ``decay_end``.

    Source:
        martius-lab/slotcontrast@17b42b05 (warm-up 2500, decay to the end of
        the run, rate 0.5).
    """
    if step < warmup:
        return step / warmup
    return decay_rate ** ((step - warmup) / (decay_end - warmup))


@PARAM_SCHEDULERS.register_module()
class WarmupDecayLR(_ParamScheduler):
    """Linear warm-up from 0, then exponential decay that has no end.

    mmengine's ``LinearLR`` cannot start at 0 and reaches its peak one
    iteration early; this class gives the published factor exactly. It counts
    iterations and keeps its place in a checkpoint. Like every scheduler of
    mmengine, resuming restores the numbers it was saved with.

    Args:
        optimizer: Wrapped or plain optimiser, given by the runner.
        warmup: Iteration that has the peak rate.
        decay_end: Iteration whose factor is ``decay_rate``.
        decay_rate: Fall from ``warmup`` to ``decay_end``.
        by_epoch: Must be False.
        end: Must be 10**9; the runner puts the length of the run here when
            a config leaves it out, which would freeze an extended run.
        verbose: Log each value.

    Raises:
        ValueError: If the iterations are not ``0 < warmup < decay_end``, or
            ``by_epoch`` or ``end`` is another.

    Source:
        :func:`warmup_decay_factor`.
    """

    def __init__(
        self,
        optimizer: Optimizer | OptimWrapper,
        warmup: int,
        *,
        decay_end: int,
        decay_rate: float = 0.5,
        by_epoch: bool = True,
        end: int = NO_END,
        verbose: bool = False,
    ) -> None:
        _check_iterations('WarmupDecayLR', warmup, decay_end)
        _check_endless('WarmupDecayLR', by_epoch, end)
        self.warmup = warmup
        self.decay_end = decay_end
        self.decay_rate = decay_rate
        super().__init__(
            optimizer, 'lr', by_epoch=by_epoch, end=end, verbose=verbose
        )

    def _get_value(self) -> list[float]:
        factor = warmup_decay_factor(
            self.last_step,
            self.warmup,
            decay_end=self.decay_end,
            decay_rate=self.decay_rate,
        )
        return [value * factor for value in self.base_values]


def warmup_poly_factor(
    step: int,
    warmup: int,
    *,
    decay_end: int,
    power: float = 0.9,
    floor: float = 0.1,
) -> float:
    """Return the multiple of the peak rate at an iteration.

    ``step / warmup`` in the warm-up, then
    ``floor + (1 - floor) (1 - s) ** power`` with s rising from 0 at
    ``warmup`` to 1 at ``decay_end``; ``floor`` beyond.

    Args:
        step: Iterations done.
        warmup: Iteration that has the peak rate.
        decay_end: First iteration whose factor is ``floor``.
        power: 1 falls on a straight line.
        floor: Last factor, of every parameter group alike.

    Source:
        yoxu515/aot-benchmark@04fe7d9 (warm-up of 5 %, power 0.9, 2e-4 to
        2e-5).
    """
    if step < warmup:
        return step / warmup
    done = min((step - warmup) / (decay_end - warmup), 1)
    return floor + (1 - floor) * (1 - done) ** power


@PARAM_SCHEDULERS.register_module()
class WarmupPolyLR(_ParamScheduler):
    """Linear warm-up from 0, then a polynomial down to a share of the peak.

    mmengine's ``PolyLR`` ends at one rate for all parameter groups; here each
    group ends at the same share of its own.

    Args:
        optimizer: Wrapped or plain optimiser, given by the runner.
        warmup: Iteration that has the peak rate.
        decay_end: See :func:`warmup_poly_factor`, as are the following.
        power: Power of the polynomial.
        floor: Last factor.
        by_epoch: Must be False.
        end: Must be 10**9, see :class:`WarmupDecayLR`.
        verbose: Log each value.

    Raises:
        ValueError: If the iterations are not ``0 < warmup < decay_end``, or
            ``by_epoch`` or ``end`` is another.

    Source:
        :func:`warmup_poly_factor`.
    """

    def __init__(
        self,
        optimizer: Optimizer | OptimWrapper,
        warmup: int,
        *,
        decay_end: int,
        power: float = 0.9,
        floor: float = 0.1,
        by_epoch: bool = True,
        end: int = NO_END,
        verbose: bool = False,
    ) -> None:
        _check_iterations('WarmupPolyLR', warmup, decay_end)
        _check_endless('WarmupPolyLR', by_epoch, end)
        self.warmup = warmup
        self.decay_end = decay_end
        self.power = power
        self.floor = floor
        super().__init__(
            optimizer, 'lr', by_epoch=by_epoch, end=end, verbose=verbose
        )

    def _get_value(self) -> list[float]:
        factor = warmup_poly_factor(
            self.last_step,
            self.warmup,
            decay_end=self.decay_end,
            power=self.power,
            floor=self.floor,
        )
        return [value * factor for value in self.base_values]


def _check_iterations(name: str, warmup: int, decay_end: int) -> None:
    if not 0 < warmup < decay_end:
        raise ValueError(
            f'{name} needs 0 < warmup < decay_end, got warmup {warmup} and '
            f'decay_end {decay_end}'
        )


def _check_endless(name: str, by_epoch: bool, end: int) -> None:
    if by_epoch or end != NO_END:
        raise ValueError(
            f'{name} counts iterations and has no end: write by_epoch=False '
            f'and end=10**9, got by_epoch={by_epoch} and end={end}'
        )
