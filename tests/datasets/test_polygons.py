import numpy as np
import pytest
from mmdet_ext.datasets.transforms import LoadPolygons
from mmdet_ext.datasets.transforms.instances import boxes_of_polygons, has_polygon
from mmdet_ext.datasets.transforms.polygons import sample_outline
from numpy.testing import assert_allclose, assert_array_equal

TRIANGLE = np.array([[0., 0.], [6., 0.], [0., 8.]])


def area(points: np.ndarray) -> float:
    x, y = points.T
    return abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2


def test_points_lie_on_the_outline_with_every_vertex_among_them():
    points = sample_outline([TRIANGLE], 28)  # 4 for the vertices of the closed line, 24 evenly along 24 pixels
    assert points.shape == (28, 2)
    for vertex in TRIANGLE:
        assert (points == vertex).all(axis=1).any()
    x, y = points.T
    on_edge = np.isclose(x, 0) | np.isclose(y, 0) | np.isclose(x / 6 + y / 8, 1)
    assert on_edge.all()
    assert np.linalg.norm(np.diff(points, axis=0), axis=1).max() < 24 / 23 + 1e-6


def test_a_polygon_of_more_vertices_than_points_is_thinned_out():
    angles = np.linspace(0, 2 * np.pi, 5000, endpoint=False)
    points = sample_outline([np.stack([np.cos(angles), np.sin(angles)], axis=1)], 100)
    assert points.shape == (100, 2)
    assert_allclose(np.linalg.norm(points, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize('num_parts', [2, 3, 4])
def test_parts_make_one_polygon_that_covers_nothing_else(num_parts):
    parts = [TRIANGLE + [20 * (i % 2), 15 * i] for i in range(num_parts)]
    points = sample_outline(parts, 1000)
    assert_allclose(area(points), num_parts * 24, rtol=1e-3)
    for vertex in np.concatenate(parts):
        assert np.abs(points - vertex).max(axis=1).min() < 1e-6


def test_instances_without_a_polygon_have_none():
    masks = [
        [[0, 0, 6, 0, 0, 8]],
        None,
        dict(counts='abc', size=[9, 9]),
        [[1, 2, 3, 4]],  # two points only
        [[0, 0, 6, 0, 0, float('nan')]],
        [[1, 2, 3, 4], [0, 0, 6, 0, 0, 8]],
    ]
    instances = [dict() if mask is None else dict(mask=mask) for mask in masks]
    results = LoadPolygons(num_points=10)(dict(instances=instances))
    assert results['gt_polygons'].shape == (6, 10, 2) and results['gt_polygons'].dtype == np.float32
    assert_array_equal(has_polygon(results['gt_polygons']), [True, False, False, False, False, True])
    assert 'instances' not in results


def test_an_image_without_instances_has_no_polygons():
    assert LoadPolygons(num_points=10)(dict(instances=[]))['gt_polygons'].shape == (0, 10, 2)


def test_boxes_are_those_of_the_points_inside():
    polygons = np.float32([[[1, 1], [5, 3], [20, 4]], [[-1, 2], [11, 3], [3, -4]], [[0, 0], [10, 8], [4, 4]]])
    assert_array_equal(boxes_of_polygons(polygons, 10, 8), [[1, 1, 5, 3], [0, 0, 0, 0], [0, 0, 10, 8]])


def test_rejects_too_few_points():
    with pytest.raises(ValueError, match='num_points must be at least 3, got 2'):
        LoadPolygons(2)
