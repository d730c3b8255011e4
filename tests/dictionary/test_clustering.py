"""Spherical k-means, pass by pass."""
import numpy as np
import pytest
from dictionary.fake_sources import grouped_rows
from mmdet_ext.dictionary import clustering
from mmdet_ext.dictionary.clustering import Clusters, run_passes, start_clusters
from numpy.testing import assert_allclose, assert_array_equal


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def cluster(features: np.ndarray, number: int, **options) -> Clusters:
    return list(run_passes(features, start_clusters(features, number, np.random.default_rng(0)), **options))[-1]


def test_separate_groups_are_found():
    rows, directions, labels = grouped_rows(6, 40, 16)
    clusters = cluster(unit(rows), 6)
    cosines = directions @ clusters.centres.T
    assert (cosines.max(axis=1) > 0.99).all()
    assert clusters.converged and clusters.counts.tolist() == [40] * 6
    assert_array_equal(cosines.argmax(axis=1)[labels], clusters.labels)
    assert_allclose(np.linalg.norm(clusters.centres, axis=1), 1, rtol=1e-6)


def test_a_pass_by_hand():
    features = np.array([[1, 0], [.8, .6], [-1, 0], [-.6, -.8]], np.float32)
    first, *_ = run_passes(features, Clusters(np.array([[1, 0], [-1, 0]], np.float32)))
    # squared distances 0, 0.4, 0 and 0.8; means (0.9, 0.3) and (-0.8, -0.4)
    assert first.inertias == pytest.approx([1.2])
    assert_allclose(first.centres, [[.948683, .316228], [-.894427, -.447214]], atol=1e-6)
    assert not len(first.counts) and first.restarts == 0


def test_blocks_change_nothing(monkeypatch):
    features = unit(grouped_rows(5, 30, 8, noise=1)[0])
    start = start_clusters(features, 7, np.random.default_rng(0))
    at_once = list(run_passes(features, start))[-1]
    monkeypatch.setattr(clustering, 'BLOCK', 16)
    parts = list(run_passes(features, start))[-1]
    assert_allclose(parts.centres, at_once.centres, atol=1e-6)
    assert_array_equal(parts.labels, at_once.labels)


def test_the_inertia_never_rises_and_the_counts_belong_to_the_centres():
    features = unit(np.random.default_rng(0).standard_normal((400, 8)))
    clusters = cluster(features, 20, tolerance=0)
    assert len(clusters.inertias) > 3 and (np.diff(clusters.inertias) <= 1e-9).all()
    cosines = features @ clusters.centres.T
    assert_array_equal(clusters.counts, np.bincount(cosines.argmax(axis=1), minlength=20))
    assert clusters.inertias[-1] == pytest.approx((2 - 2 * cosines.max(axis=1)).sum(), rel=1e-4)


def test_an_empty_cluster_is_restarted_at_the_farthest_sample():
    features = np.array([[1, 0], [.96, .28], [.8, .6], [.6, -.8]], np.float32)
    start = Clusters(np.array([[1, 0], [-1, 0]], np.float32))
    first, *_, last = run_passes(features, start)
    assert_array_equal(first.centres[1], features[3])
    assert first.restarts == 1
    assert last.counts.tolist() == [3, 1] and last.restarts == 1


def test_several_empty_clusters_are_restarted():
    features = unit(grouped_rows(4, 20, 8)[0])
    start = Clusters(np.repeat(-features.mean(axis=0, keepdims=True), 6, axis=0))
    last = list(run_passes(features, Clusters(unit(start.centres)), passes=2))[-1]
    assert last.counts.all() and last.counts.sum() == 80 and last.restarts >= 5


def test_passes_end_at_their_number_or_at_the_tolerance():
    features = unit(np.random.default_rng(0).standard_normal((400, 8)))
    short = cluster(features, 20, passes=3, tolerance=0)
    assert len(short.inertias) == 3 and len(short.counts) and not short.converged
    loose = cluster(features, 20, tolerance=0.05)
    falls = -np.diff(loose.inertias) / loose.inertias[:-1]
    assert loose.converged and falls[-1] <= 0.05 and (falls[:-1] > 0.05).all()


def test_a_finished_one_has_no_more_passes():
    features = unit(grouped_rows(3, 20, 8)[0])
    assert list(run_passes(features, cluster(features, 3))) == []


def test_going_on_from_any_pass_gives_the_same_centres():
    features = unit(np.random.default_rng(0).standard_normal((300, 8)))
    steps = list(run_passes(features, start_clusters(features, 10, np.random.default_rng(0)), tolerance=0))
    for step in (steps[0], steps[2]):
        step = Clusters(step.centres, step.inertias, step.restarts)
        again = list(run_passes(features, step, tolerance=0))[-1]
        assert_array_equal(again.centres, steps[-1].centres)
        assert again.inertias == steps[-1].inertias


def test_fewer_samples_than_atoms():
    with pytest.raises(ValueError, match='4 samples are fewer than 5 atoms'):
        start_clusters(np.eye(4, dtype=np.float32), 5, np.random.default_rng(0))


def test_fewer_different_samples_than_atoms():
    with pytest.raises(ValueError, match='40 samples hold only 4 different features, fewer than 5 atoms'):
        cluster(np.repeat(np.eye(4, dtype=np.float32), 10, axis=0), 5)
