"""The samples of all sources side by side, at one width."""
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.neighbors import NearestNeighbors

from .projection import Projection, fit_projection
from .sampling import Draw, Sample
from .sources.base import Source


@dataclass
class JointSample:
    """The n samples of all sources one after another, at one width C.

    Args:
        features: (n, C) float32, rows of unit length.
        sources: (n, ) int64, number of the source of each.
        items: (n, ) int64, its item there.
        boxes: (n, 4) float32.
        samples: Of each source what was drawn.
        projections: How the features of each source came to width C.
        vanished: For each source how many samples were nothing after the projection, and are left out.
    """
    features: np.ndarray
    sources: np.ndarray
    items: np.ndarray
    boxes: np.ndarray
    samples: list[Sample]
    projections: list[Projection]
    vanished: list[int]


def join(sources: Sequence[Source], draws: Sequence[Draw], seed: int, memory: np.ndarray) -> JointSample:
    """The samples of all sources, projected into `memory` (at least n, C)."""
    joint = JointSample(memory, *(np.empty(0, np.int64), ) * 2, np.empty((0, 4), np.float32), [], [], [])
    for number, (source, draw) in enumerate(zip(sources, draws)):
        out = memory[len(joint.items):len(joint.items) + draw.size]
        identity = source.width == memory.shape[1]
        features = out if identity else np.empty((draw.size, source.width), np.float32)
        sample = draw.load(features)
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1, number)))
        projection = fit_projection(features, memory.shape[1], rng, source=source.name)
        left = np.ones(draw.size, bool) if identity else projection.apply(features, out)
        out[:left.sum()] = out[left]
        joint.sources = np.append(joint.sources, np.full(left.sum(), number))
        joint.items = np.append(joint.items, sample.items[left])
        joint.boxes = np.append(joint.boxes, sample.boxes[left], axis=0)
        joint.samples.append(sample)
        joint.projections.append(projection)
        joint.vanished.append(int((~left).sum()))
    joint.features = memory[:len(joint.items)]
    return joint


def describe_nearest(sources: Sequence[Source], joint: JointSample, atoms: np.ndarray,
                     count: int) -> list[list[dict[str, Any]]]:
    """For each atom (N, C) the `count` samples nearest to it by cosine, the nearest first, as in `Atoms.nearest`."""
    count = min(count, len(joint.features))
    if count == 0:
        return [[] for _ in atoms]
    search = NearestNeighbors(n_neighbors=count, algorithm='brute', metric='sqeuclidean').fit(joint.features)
    distances, indices = search.kneighbors(atoms)
    cosines = np.clip(1 - distances / 2, -1, 1)  # |a - b|^2 = 2 - 2 cos for unit vectors

    def describe(index: int, cosine: float) -> dict[str, Any]:
        source = sources[joint.sources[index]]
        return dict(source.describe(int(joint.items[index]), joint.boxes[index]), source=source.name, similarity=cosine)

    return [list(map(describe, *row)) for row in zip(indices.tolist(), cosines.tolist(), strict=True)]
