"""One-to-one assignment of rows to columns, for a whole batch at once."""

import numpy as np
import torch
from jaxtyping import Integer, Num
from scipy.optimize import linear_sum_assignment
from torch import Tensor


def hungarian_match(
    score: Num[Tensor, 'B K M'], maximize: bool = True
) -> Integer[Tensor, 'B K']:
    """Give each row the column of the best one-to-one assignment.

    The sum of the matched scores is the largest (or smallest) possible; no
    column is given twice. All scores leave the device in one copy and the
    result returns in one. No gradient flows.

    Args:
        score: Score, or cost, of row k with column m.
        maximize: Whether large is good; False reads ``score`` as a cost.

    Returns:
        Column of each row on the device of ``score``, int64; -1 for a row
        that is left over, which happens only where ``K > M``.

    Raises:
        ValueError: If a score is NaN or infinite.
    """
    tables = score.detach().to('cpu', torch.float64).numpy()
    finite = np.isfinite(tables)
    if not finite.all():
        where = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise ValueError(
            f'hungarian_match needs finite scores, got '
            f'{tables[where]} at (batch, row, column) {where}'
        )
    columns = np.full(tables.shape[:2], -1, dtype=np.int64)
    for table, column in zip(tables, columns, strict=True):
        rows, cols = linear_sum_assignment(table, maximize=maximize)
        column[rows] = cols
    return torch.from_numpy(columns).to(score.device)
