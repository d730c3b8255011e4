"""Spherical k-means over features of unit length: scikit-learn's mini-batches, then passes over all features."""
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.cluster import MiniBatchKMeans
from sklearn.metrics import pairwise_distances_argmin_min

BLOCK = 8192  # rows in float64 at a time
BATCH = 4096  # features in a mini-batch, at least
EPOCHS = 5  # of mini-batches, at most


@dataclass
class Clusters:
    """K centres and how the passes that led to them went.

    Args:
        centres: (K, C) float32, rows of unit length.
        inertias: For each pass the sum of squared distances to the nearest centre, before the centres moved.
        restarts: How often an empty cluster was given a new centre.
        counts: (K, ) int64, samples nearest to each centre; empty before the end.
        labels: (n, ) int64, the nearest centre of each sample; empty before the end.
        converged: Whether the inertia had come to rest.
    """
    centres: np.ndarray
    inertias: list[float] = field(default_factory=list)
    restarts: int = 0
    counts: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    labels: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    converged: bool = False


def start_clusters(features: np.ndarray, num_clusters: int, rng: np.random.Generator) -> Clusters:
    """Centres for the first pass: scikit-learn's mini-batch k-means, itself begun by k-means++, scaled to unit length.

    Args:
        features: (n, C) float32, rows of unit length, at least as many as clusters (else ValueError).
        num_clusters: K.
        rng: Draws the first centres and the mini-batches.
    """
    if len(features) < num_clusters:
        raise ValueError(f'{len(features)} samples are fewer than {num_clusters} atoms')
    batch = min(max(BATCH, 2 * num_clusters), len(features))
    kmeans = MiniBatchKMeans(num_clusters, batch_size=batch, init_size=min(3 * batch, len(features)), max_iter=EPOCHS,
                             n_init=1, random_state=int(rng.integers(2 ** 31)))
    centres = kmeans.fit(features).cluster_centers_.astype(np.float64)
    vanished = np.linalg.norm(centres, axis=1) < 1e-6
    centres[vanished] = features[rng.choice(len(features), vanished.sum(), replace=False)]
    return Clusters(_unit(centres))


def run_passes(features: np.ndarray, clusters: Clusters, *, passes: int = 100,
               tolerance: float = 1e-4) -> Iterator[Clusters]:
    """Lloyd's passes, each over all features, from where `clusters` stands; yields the clusters after each of them.

    scikit-learn's KMeans does not keep its centres at unit length, and does not tell how far it is. Here a pass assigns
    each feature to its nearest centre, and moves each centre to the direction of its features' mean. A centre without
    features moves to the feature that is farthest from its centre. The passes end, without moving the centres, when no
    cluster is empty and either the inertia fell by less than `tolerance` of itself or there were `passes` of them. So
    the inertia never rises, nothing is random, and the counts are those of the centres returned.

    Raises:
        ValueError: If fewer features (n, C) differ from each other than there are clusters.
    """
    while not len(clusters.counts):
        labels, distances = pairwise_distances_argmin_min(features, clusters.centres, metric='sqeuclidean')
        counts = np.bincount(labels, minlength=len(clusters.centres))
        inertias = [*clusters.inertias, float(distances.sum(dtype=np.float64))]
        converged = len(inertias) > 1 and inertias[-2] - inertias[-1] <= tolerance * inertias[-2]
        if counts.all() and (converged or len(inertias) >= passes):
            clusters = Clusters(clusters.centres, inertias, clusters.restarts, counts, labels, converged)
        else:
            centres = _mean_directions(features, labels, clusters.centres)
            empty = np.flatnonzero(counts == 0)
            centres[empty] = _farthest(features, distances, len(empty), len(counts))
            clusters = Clusters(centres, inertias, clusters.restarts + len(empty))
        yield clusters


def _mean_directions(features: np.ndarray, labels: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Directions of the sums of each cluster's features, (K, C); where a sum vanishes the centre stays."""
    sums = np.zeros(centres.shape, np.float64)
    for start in range(0, len(features), BLOCK):
        rows = labels[start:start + BLOCK]
        members = csr_matrix((np.ones(len(rows)), rows, np.arange(len(rows) + 1)), (len(rows), len(centres)))
        sums += members.T @ features[start:start + BLOCK].astype(np.float64)
    still = np.linalg.norm(sums, axis=1) < 1e-6
    sums[still] = centres[still]
    return _unit(sums)


def _farthest(features: np.ndarray, distances: np.ndarray, count: int, num_clusters: int) -> np.ndarray:
    """The `count` features that are farthest from their centres, (count, C)."""
    chosen = np.argsort(-distances, kind='stable')[:count]
    if count and distances[chosen[0]] < 1e-10:  # each feature is a centre
        raise ValueError(f'{len(features)} samples hold only {num_clusters - count} different features, fewer than '
                         f'{num_clusters} atoms')
    return features[chosen]


def _unit(rows: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
