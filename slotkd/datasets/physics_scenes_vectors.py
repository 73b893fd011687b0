"""Arithmetic on many vectors at once, stored with the coordinate first.

Nothing here uses BLAS: its results depend on how many threads it has, and
many processes at once do not want any.
"""

import numpy as np
from jaxtyping import Float

Points = Float[np.ndarray, '3 S']
Vector = Float[np.ndarray, '3']


def turned(matrix: Float[np.ndarray, 'I 3'], vectors: Points) -> np.ndarray:
    """Return the product of a matrix and vectors, in their precision."""
    return np.einsum('ij,js->is', matrix.astype(vectors.dtype), vectors)


def dot(vector: Vector, vectors: Points) -> Float[np.ndarray, ' S']:
    """Return the products of one vector with each, in their precision."""
    return np.einsum('j,js->s', vector.astype(vectors.dtype), vectors)


def dots(left: Points, right: Points) -> Float[np.ndarray, ' S']:
    """Return the product of each vector with its partner."""
    return np.einsum('js,js->s', left, right)


def unit(vectors: Points) -> Points:
    """Return vectors of length 1 in the same directions; of none, zero."""
    length = np.sqrt(dots(vectors, vectors))
    return vectors / np.maximum(length, np.finfo(vectors.dtype).tiny)


def column(vector: Vector, like: np.ndarray) -> Float[np.ndarray, '3 1']:
    """Return a vector to be added to many, in their precision."""
    return vector[:, None].astype(like.dtype)
