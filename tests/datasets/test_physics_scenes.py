import numpy as np
import pytest

from slotkd.datasets.physics_scenes import (
    CLEVR_COLORS,
    LEVELS,
    draw_scene,
)
from slotkd.datasets.physics_scenes_patterns import to_linear
from slotkd.datasets.physics_scenes_shapes import solid_mesh, solid_radius


def scenes(level, count=12):
    return [
        draw_scene(np.random.default_rng([level == 'a', index]), LEVELS[level])
        for index in range(count)
    ]


def sides(item):
    return np.ptp(solid_mesh(item.solid).corners, axis=0)


def test_level_a_has_clevrs_objects_and_colours():
    drawn = scenes('a')
    assert {len(scene.objects) for scene in drawn} <= set(range(3, 11))
    assert len({len(scene.objects) for scene in drawn}) > 3
    palette = [to_linear(color) for color in CLEVR_COLORS]
    items = [item for scene in drawn for item in scene.objects]
    for item in items:
        assert sides(item).max() == pytest.approx(0.7) or sides(
            item
        ).max() == pytest.approx(1.4)
        (part,) = item.solid
        assert part.kind in ('box', 'cylinder', 'ellipsoid')
        assert item.pattern.kind == 'plain'
        assert any(np.allclose(item.pattern.colors[0], c) for c in palette)
        assert item.velocity is not None
    assert {item.is_metal for item in items} == {False, True}


@pytest.mark.parametrize(
    ('level', 'tossed', 'resting'),
    [('c', (3, 10), (0, 0)), ('e', (1, 3), (10, 20))],
)
def test_levels_c_and_e_have_movis_counts_and_sizes(level, tossed, resting):
    for scene in scenes(level):
        at_rest = [item.velocity is None for item in scene.objects]
        assert resting[0] <= sum(at_rest) <= resting[1]
        assert tossed[0] <= len(at_rest) - sum(at_rest) <= tossed[1]
        assert sorted(at_rest, reverse=True) == at_rest
        for item in scene.objects:
            assert 0.75 <= sides(item).max() <= 3


@pytest.mark.parametrize('level', LEVELS)
def test_objects_start_apart_and_above_the_floor(level):
    for scene in scenes(level, 4):
        balls = [(i.position, solid_radius(i.solid)) for i in scene.objects]
        for index, (place, radius) in enumerate(balls):
            assert place[2] > radius
            for other, reach in balls[:index]:
                assert np.linalg.norm(place - other) > radius + reach


def test_tossed_objects_fly_towards_the_centre():
    for scene in scenes('c'):
        for item in scene.objects:
            assert item.velocity[2] == 0
            toward = item.velocity[:2] + item.position[:2]
            assert np.abs(toward).max() <= 4


def test_cameras_stand_where_the_level_says():
    for scene in scenes('a'):
        start, end = scene.camera_path
        np.testing.assert_array_equal(start, end)
        offset = start - (7.48113, -6.50764, 5.34367)
        assert offset.min() >= 0 and offset.max() <= 1
    for level, inner, outer in (('c', 7, 9), ('e', 8, 12)):
        lengths = []
        for scene in scenes(level):
            for place in scene.camera_path:
                assert inner <= np.linalg.norm(place) <= outer
                assert place[2] >= 1.5
            lengths.append(np.linalg.norm(np.diff(scene.camera_path, axis=0)))
        assert max(lengths) <= (4 if level == 'e' else 0)
        assert (np.ptp(lengths) > 1) == (level == 'e')


def test_a_scene_depends_on_the_generator_alone():
    first, again = (
        draw_scene(np.random.default_rng([1, 2]), LEVELS['e'])
        for _ in range(2)
    )
    other = draw_scene(np.random.default_rng([1, 3]), LEVELS['e'])
    for item, twin in zip(first.objects, again.objects, strict=True):
        np.testing.assert_array_equal(item.position, twin.position)
        np.testing.assert_array_equal(item.orientation, twin.orientation)
        np.testing.assert_array_equal(
            solid_mesh(item.solid).corners, solid_mesh(twin.solid).corners
        )
    assert first.look == again.look != other.look
    np.testing.assert_array_equal(first.sun, again.sun)
    assert np.linalg.norm(first.sun) == pytest.approx(1)
