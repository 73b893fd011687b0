import numpy as np
import pytest

from slotkd.datasets.physics_scenes_vectors import (
    column,
    dot,
    dots,
    turned,
    unit,
)


@pytest.fixture
def vectors():
    return np.random.default_rng(0).normal(size=(3, 7))


def test_products_equal_numpys(vectors):
    rng = np.random.default_rng(1)
    matrix, other = rng.normal(size=(3, 3)), rng.normal(size=(3, 7))
    np.testing.assert_allclose(turned(matrix, vectors), matrix @ vectors)
    np.testing.assert_allclose(dot(matrix[0], vectors), matrix[0] @ vectors)
    expected = (vectors * other).sum(axis=0)
    np.testing.assert_allclose(dots(vectors, other), expected)


def test_unit_vectors_keep_direction_and_zero(vectors):
    vectors[:, 2] = 0
    scaled = unit(vectors)
    length = np.linalg.norm(scaled, axis=0)
    np.testing.assert_allclose(np.delete(length, 2), 1)
    assert length[2] == 0
    assert np.all(np.sign(scaled) == np.sign(vectors))


def test_precision_follows_the_vectors(vectors):
    vectors = vectors.astype(np.float32)
    for result in (
        turned(np.eye(3), vectors),
        dot(np.ones(3), vectors),
        unit(vectors),
        vectors + column(np.ones(3), vectors),
    ):
        assert result.dtype == np.float32
