"""Features of one width become features of another."""
import numpy as np
import pytest
from mmdet_ext.dictionary.joint import fit_projection
from mmdet_ext.dictionary.joint import project as apply_projection
from numpy.testing import assert_allclose, assert_array_equal


def unit_rows(count: int, width: int) -> np.ndarray:
    rows = np.random.default_rng(0).standard_normal((count, width))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def project(features: np.ndarray, channels: int) -> tuple:
    projection = fit_projection(features, channels, np.random.default_rng(7), source='file')
    out = np.full((len(features), channels), np.nan, np.float32)
    return projection, out, apply_projection(features, projection, out)


def test_equal_width_is_the_identity():
    projection = fit_projection(unit_rows(6, 4), 4, np.random.default_rng(7), source='clip')
    assert projection == dict(source='clip', kind='identity')


def test_pca_by_hand():
    rows = np.array([[1, 0, 0], [-1, 0, 0], [0, .6, .8], [0, -.6, .8]], np.float32)
    # the mean is (0, 0, 0.4), and the scatter around it diag(2, 0.72, 0.64): the first two axes are kept
    projection, out, good = project(rows, 2)
    assert_allclose(projection['mean'], [0, 0, .4], atol=1e-6)
    assert_allclose(np.abs(projection['matrix']), [[1, 0], [0, 1], [0, 0]], atol=1e-6)
    assert_allclose(np.abs(out), [[1, 0], [1, 0], [0, 1], [0, 1]], atol=1e-6)
    assert good.all()


def test_pca_keeps_the_directions_of_largest_variance():
    rows = unit_rows(50, 6)
    projection, out, _ = project(rows, 3)
    _, vectors = np.linalg.eigh(np.cov(rows.T.astype(np.float64)))
    cosines = np.abs((projection['matrix'].numpy() * vectors[:, ::-1][:, :3]).sum(0))
    assert_allclose(cosines, 1, atol=1e-4)
    expected = (rows - rows.mean(0)) @ projection['matrix'].numpy()
    assert_allclose(out, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-5)


def test_padding_keeps_inner_products_and_fills_all_channels():
    rows = unit_rows(5, 3)
    projection, out, _ = project(rows, 8)
    assert projection['kind'] == 'pad' and projection['matrix'].shape == (3, 8) and not projection['mean'].any()
    assert_allclose(projection['matrix'] @ projection['matrix'].T, np.eye(3), atol=1e-6)
    assert_allclose(out @ out.T, rows @ rows.T, atol=1e-6)
    assert (np.abs(out).max(axis=0) > 1e-3).all()


def test_the_same_seed_gives_the_same_rotation():
    first, second = (fit_projection(unit_rows(5, 3), 8, np.random.default_rng(7), source='file') for _ in range(2))
    assert_array_equal(first['matrix'], second['matrix'])


def test_what_vanishes_is_marked():
    rows = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], np.float32)
    rows = rows[[0, 1, 0, 1, 2, 3, 4, 5]]
    _, out, good = project(rows, 1)
    assert good.tolist() == [True] * 4 + [False] * 4
    assert_allclose(np.abs(out[:, 0]), [1] * 4 + [0] * 4, atol=1e-6)


def test_pca_needs_as_many_samples_as_channels():
    with pytest.raises(ValueError, match='vision: PCA from 8 to 6 channels needs at least 6 samples, got 5'):
        fit_projection(unit_rows(5, 8), 6, np.random.default_rng(0), source='vision')
