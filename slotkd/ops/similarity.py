"""Similarity of vectors and of representations: cosine, Pearson, CKA."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from slotkd.ops.choices import check_choice
from slotkd.ops.precision import at_least_fp32

ESTIMATORS = ('biased', 'unbiased')
_ULPS = 16  # rounding of a mean leaves a few units in the last place


def guarded_cosine(
    x: Float[Tensor, '*shape'],
    y: Float[Tensor, '*shape'],
    *,
    dim: int | tuple[int, ...] = -1,
) -> Float[Tensor, '*rest']:
    """Cosine of the angle between vectors; 0 where one has no length.

    Each vector is divided by its own norm before the product, so that tiny
    entries (an attention map has entries near 1 / M) lose nothing to a
    clamp. The gradient is finite everywhere and 0 at a vector of zeros.
    Half precision is lifted.

    Args:
        x: Vectors.
        y: Vectors.
        dim: Axis or axes of the entries of a vector.

    Returns:
        Values in [-1, 1]; 1 for equal directions.
    """
    x, y = (unit_vectors(at_least_fp32(value), dim) for value in (x, y))
    return (x * y).sum(dim=dim)


def pearson_correlation(
    x: Float[Tensor, '*shape'],
    y: Float[Tensor, '*shape'],
    *,
    dim: int = -1,
    mask: Bool[Tensor, '*#shape'] | None = None,
) -> Float[Tensor, '*rest']:
    """Linear correlation along an axis; 0 where one side is constant.

    Neither adding a constant nor scaling by a positive one changes it. The
    gradient is finite everywhere. Half precision is lifted.

    Args:
        x: Samples.
        y: Samples.
        dim: Axis of the samples.
        mask: The samples that count; None counts all.

    Returns:
        Values in [-1, 1]. Where a side does not vary the correlation is
        undefined and the value 0: leave those out with :func:`varies`.
    """
    x, y = (_centred(at_least_fp32(value), dim, mask) for value in (x, y))
    return guarded_cosine(x, y, dim=dim)


def varies(
    x: Float[Tensor, '*shape'],
    *,
    dim: int = -1,
    mask: Bool[Tensor, '*#shape'] | None = None,
) -> Bool[Tensor, '*rest']:
    """Say where samples differ by more than rounding.

    Args:
        x: Samples.
        dim: Axis of the samples.
        mask: The samples that count; None counts all.
    """
    centred = _centred(at_least_fp32(x.detach()), dim, mask)
    return centred.abs().amax(dim=dim) > 0


def linear_cka(
    x: Float[Tensor, '*batch N M'],
    y: Float[Tensor, '*batch N P'],
    *,
    estimator: str = 'biased',
) -> Float[Tensor, '*batch']:
    """Centred kernel alignment of two descriptions of the same N things.

    ``|x' y|^2 / (|x' x| |y' y|)`` in Frobenius norms with centred columns:
    the cosine between the two tables of how alike the things are. Order,
    number and scale of the columns do not matter, on either side.

    The biased value of independent descriptions is far above 0 when there
    are about as many columns as things (0.29 for two 900 x 900 softmaxes of
    normal logits with standard deviation 2); the unbiased one stays near 0
    there and is the one to report. Both have their maximum, 1, at equal
    tables. Half precision is lifted.

    Args:
        x: Things in rows.
        y: The same things in the same order.
        estimator: ``'biased'`` or ``'unbiased'``.

    Returns:
        Values in [0, 1], slightly below 0 too if unbiased. 0, with a zero
        gradient, where the rows of a side are all equal.

    Raises:
        ValueError: If there are fewer than 2 rows, or 4 if unbiased; or the
            estimator is unknown.

    Source:
        Kornblith et al., Similarity of Neural Network Representations
        Revisited, arXiv:1905.00414; the unbiased estimator from Song et al.,
        Feature Selection via Dependence Maximization, JMLR 2012, Eq. (5),
        in the equal form of U-centred tables (Szekely and Rizzo, 2014).
    """
    check_choice('estimator', estimator, ESTIMATORS)
    fewest = 2 if estimator == 'biased' else 4
    if x.shape[-2] < fewest:
        raise ValueError(
            f'linear_cka ({estimator}) needs at least {fewest} rows, got '
            f'{x.shape[-2]}'
        )
    # The columns' means would swamp the unbiased estimator in fp32, and it
    # is the same without them.
    x, y = (
        unit_vectors(_centred(at_least_fp32(value), -2, None), (-2, -1))
        for value in (x, y)
    )
    with torch.autocast(x.device.type, enabled=False):
        if estimator == 'unbiased':
            grams = (_u_centred(value @ value.mT) for value in (x, y))
            return guarded_cosine(*grams, dim=(-2, -1))
        if max(x.shape[-1], y.shape[-1]) < x.shape[-2]:
            return _cka_of_columns(x, y)
        return guarded_cosine(x @ x.mT, y @ y.mT, dim=(-2, -1))


def unit_vectors(x: Tensor, dim: int | tuple[int, ...]) -> Tensor:
    """Scale vectors to length 1; one of zeros stays what it is.

    In two steps, so that no square underflows. The gradient is finite
    everywhere.

    Args:
        x: Vectors, at least in fp32.
        dim: Axis or axes of the entries of a vector.
    """
    largest = x.detach().abs().amax(dim=dim, keepdim=True)
    x = x / torch.where(largest > 0, largest, 1)
    length = _root(x.square().sum(dim=dim, keepdim=True))
    return x / torch.where(length > 0, length, 1)


def _cka_of_columns(x: Tensor, y: Tensor) -> Tensor:
    """Return the biased CKA without N x N tables, for few columns."""
    cross = (x.mT @ y).square().sum(dim=(-2, -1))
    own = [
        _root((value.mT @ value).square().sum(dim=(-2, -1)))
        for value in (x, y)
    ]
    scale = own[0] * own[1]
    return cross / torch.where(scale > 0, scale, 1)


def _u_centred(gram: Float[Tensor, '*batch N N']) -> Tensor:
    """Take rows and columns out of a table, its diagonal being none of it."""
    count = gram.shape[-1]
    diagonal = torch.eye(count, dtype=torch.bool, device=gram.device)
    gram = gram.masked_fill(diagonal, 0)
    rows = gram.sum(dim=-1, keepdim=True) / (count - 2)
    total = rows.sum(dim=-2, keepdim=True) / (count - 1)
    return (gram - rows - rows.mT + total).masked_fill(diagonal, 0)


def _centred(x: Tensor, dim: int, mask: Tensor | None) -> Tensor:
    """Take the mean out; exact zeros where nothing but rounding is left."""
    if mask is None:
        centred = x - x.mean(dim=dim, keepdim=True)
    else:
        kept = x.where(mask, 0)  # what is masked may be NaN
        count = mask.expand_as(x).sum(dim=dim, keepdim=True).clamp(min=1)
        mean = kept.sum(dim=dim, keepdim=True) / count
        centred = (kept - mean).where(mask, 0)
        x = kept
    largest = x.detach().abs().amax(dim=dim, keepdim=True)
    spread = centred.detach().abs().amax(dim=dim, keepdim=True)
    rounding = _ULPS * torch.finfo(x.dtype).eps * largest
    return centred.where(spread > rounding, 0)


def _root(x: Tensor) -> Tensor:
    """Square root whose gradient at 0 is 0."""
    return torch.where(x > 0, x, 1).sqrt() * (x > 0)
