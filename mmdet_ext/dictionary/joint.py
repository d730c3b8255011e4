"""The samples of all sources side by side, at one width, and what is told of them.

Wider features are projected by PCA, narrower ones by an orthonormal map.
"""
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.special import entr
from scipy.stats import ortho_group
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from .clustering import Clusters
from .sampling import Draw

MAX_LINES = 100  # of what could not be read


@dataclass
class JointSample:
    """The n samples of all draws one after another, at one width C.

    Args:
        draws: One per source.
        features: (n, C) float32, rows of unit length.
        sources: (n, ) int64, number of the source of each.
        items: (n, ) int64, its item there.
        boxes: (n, 4) float32.
        projections: How the features of each source came to width C, as in `Atoms.projections`.
        vanished: For each source how many samples were nothing after the projection, and are left out.
    """
    draws: Sequence[Draw]
    features: np.ndarray
    sources: np.ndarray
    items: np.ndarray
    boxes: np.ndarray
    projections: list[dict[str, Any]]
    vanished: list[int]


def join(draws: Sequence[Draw], seed: int, memory: np.ndarray) -> JointSample:
    """The samples of all sources, projected into `memory` (at least n, C)."""
    sources, items, boxes, projections, vanished = [], [], [], [], []
    end, channels = 0, memory.shape[1]
    for number, draw in enumerate(draws):
        out = memory[end:end + draw.size]
        features = out if draw.source.width == channels else np.empty((draw.size, draw.source.width), np.float32)
        drawn_items, drawn_boxes = draw.load(features)
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1, number)))
        projection = fit_projection(features, channels, rng, source=draw.source.name)
        left = np.ones(draw.size, bool) if features is out else project(features, projection, out)
        out[:left.sum()] = out[left]
        end += left.sum()
        sources.append(np.full(left.sum(), number))
        items.append(drawn_items[left])
        boxes.append(drawn_boxes[left])
        projections.append(projection)
        vanished.append(int((~left).sum()))
    return JointSample(draws, memory[:end], *map(np.concatenate, (sources, items, boxes)), projections, vanished)


def describe_nearest(joint: JointSample, atoms: np.ndarray, count: int) -> list[list[dict[str, Any]]]:
    """For each atom (N, C) the `count` samples nearest to it by cosine, the nearest first, as in `Atoms.nearest`."""
    count = min(count, len(joint.features))
    if count == 0:
        return [[] for _ in atoms]
    search = NearestNeighbors(n_neighbors=count, algorithm='brute', metric='sqeuclidean').fit(joint.features)
    distances, indices = search.kneighbors(atoms)
    cosines = np.clip(1 - distances / 2, -1, 1)  # |a - b|^2 = 2 - 2 cos for unit vectors

    def describe(index: int, cosine: float) -> dict[str, Any]:
        source = joint.draws[joint.sources[index]].source
        return dict(source.describe(int(joint.items[index]), joint.boxes[index]), source=source.name, similarity=cosine)

    return [list(map(describe, *row)) for row in zip(indices.tolist(), cosines.tolist(), strict=True)]


def summarise(joint: JointSample, clusters: Clusters) -> dict[str, Any]:
    """The content of `Atoms.report`, plain values; lists without another explanation have a value per source."""
    draws, sources = joint.draws, [draw.source for draw in joint.draws]
    shares = np.zeros((len(sources), len(clusters.counts)), np.int64)
    np.add.at(shares, (joint.sources, clusters.labels), 1)
    return dict(
        sources=[source.name for source in sources],
        items=[source.num_items for source in sources],
        items_computed=[draw.counts['computed'] for draw in draws],
        widths=[source.width for source in sources],
        projections=[projection['kind'] for projection in joint.projections],
        skipped=[len(draw.skipped) for draw in draws],
        samples_seen=[draw.counts['seen'] for draw in draws],
        dropped_zero=[draw.counts['zero'] + vanished for draw, vanished in zip(draws, joint.vanished)],
        dropped_non_finite=[draw.counts['non_finite'] for draw in draws],
        samples=np.bincount(joint.sources, minlength=len(sources)).tolist(),
        atoms_by_majority=np.bincount(shares.argmax(axis=0), minlength=len(sources)).tolist(),
        skipped_lines=[line for draw in draws for line in draw.skipped[:MAX_LINES]],
        inertia=clusters.inertias,
        passes=len(clusters.inertias),
        converged=clusters.converged,
        restarted_clusters=clusters.restarts,
        smallest_cluster=int(clusters.counts.min()),
        median_cluster=float(np.median(clusters.counts)),
        largest_cluster=int(clusters.counts.max()),
        empty_clusters=int((clusters.counts == 0).sum()),
        effective_rank=effective_rank(clusters.centres))


def effective_rank(atoms: np.ndarray) -> float:
    """exp of the entropy of the normalised singular values (Roy and Vetterli, 2007) of atoms (N, C)."""
    values = np.linalg.svd(atoms.astype(np.float64), compute_uv=False)
    return float(np.exp(entr(values / values.sum()).sum()))


def fit_projection(features: np.ndarray, channels: int, rng: np.random.Generator, *, source: str) -> dict[str, Any]:
    """The projection of unit features (n, d) to the width `channels`, as in `Atoms.projections`.

    Wider features are projected onto their first `channels` principal components, which needs as many features (else
    ValueError). Narrower ones are padded with zeros and rotated at random, so that all inner products stay as they are
    and no channel is left empty.
    """
    count, width = features.shape
    if width == channels:
        return dict(source=source, kind='identity')
    if width < channels:
        kind, mean = 'pad', np.zeros(width)
        matrix = ortho_group.rvs(channels, random_state=rng)[:width]
    elif count < channels:
        raise ValueError(f'{source}: PCA from {width} to {channels} channels needs at least {channels} samples, '
                         f'got {count}')
    else:
        pca = PCA(channels, svd_solver='covariance_eigh').fit(features)  # exact, without a copy of the features
        kind, mean, matrix = 'pca', pca.mean_, np.ascontiguousarray(pca.components_.T)
    return dict(source=source, kind=kind, mean=torch.from_numpy(mean).float(), matrix=torch.from_numpy(matrix).float())


def project(features: np.ndarray, projection: dict[str, Any], out: np.ndarray) -> np.ndarray:
    """Fill `out` (n, C) with projected unit features (n, d), zeros where nothing is left of one.

    `projection` is one of `fit_projection`, not the identity; arrays are float32. Returns which rows are not zero.
    """
    mean, matrix = projection['mean'].numpy(), projection['matrix'].numpy()
    np.matmul(features, matrix, out=out)
    out -= mean @ matrix
    norms = np.sqrt(np.einsum('nc,nc->n', out, out))
    left = norms > 1e-5
    out[~left] = 0
    out /= np.where(left, norms, 1)[:, None]
    return left
