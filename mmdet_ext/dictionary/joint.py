"""The samples of all sources side by side, at one width."""
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.neighbors import NearestNeighbors

from .projection import Projection, fit_projection
from .sampling import SourceSample
from .sources.base import Source


@dataclass
class JointSample:
    """n samples of width C.

    Args:
        features: (n, C) float32, rows of unit length.
        sources: (n, ) int64, number of the source of each.
        items: (n, ) int64, its item there.
        boxes: (n, 4) float32.
        projections: How the features of each source came to width C.
        vanished: For each source how many samples were nothing after the projection, and are left out.
    """
    features: np.ndarray
    sources: np.ndarray
    items: np.ndarray
    boxes: np.ndarray
    projections: list[Projection]
    vanished: list[int]


def joint_memory(sources: Sequence[Source], capacity: int, channels: int) -> np.ndarray | None:
    """Memory for the joint features, touched; None where those of the only source serve as they are."""
    if len(sources) == 1 and sources[0].width == channels:
        return None
    memory = np.empty((capacity * len(sources), channels), np.float32)
    memory.fill(0)
    return memory


def join(sources: Sequence[Source], samples: Sequence[SourceSample], channels: int, seed: int,
         memory: np.ndarray | None) -> JointSample:
    """Project the samples of each source, in the order of their keys, and put them one after another.

    Args:
        sources: Their names are for errors.
        samples: A sample per source; sorted in place.
        channels: C.
        seed: Of rotations.
        memory: Of `joint_memory`.
    """
    kept, projections, vanished, count = [], [], [], 0
    for number, (source, sample) in enumerate(zip(sources, samples)):
        sample.reservoir.sort()
        rows = sample.reservoir.filled()
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1, number)))
        projection = fit_projection(rows['features'], channels, rng, source=source.name)
        good = np.ones(len(rows['keys']), bool)
        if memory is not None:
            out = memory[count:count + len(good)]
            good = projection.apply(rows['features'], out)
            if not good.all():
                out[:good.sum()] = out[good]
        kept.append((np.full(good.sum(), number), rows['items'][good], rows['boxes'][good]))
        projections.append(projection)
        vanished.append(int((~good).sum()))
        count += int(good.sum())
    features = samples[0].reservoir.features if memory is None else memory
    numbers, items, boxes = (np.concatenate(arrays) for arrays in zip(*kept))
    return JointSample(features[:count], numbers, items, boxes, projections, vanished)


def nearest_samples(joint: JointSample, atoms: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The samples nearest to each atom by cosine, the nearest first.

    Args:
        joint: n samples.
        atoms: (N, C) float32, rows of unit length.
        count: k; all samples if there are fewer.

    Returns:
        Indices (N, k) into the samples, and cosines (N, k).
    """
    count = min(count, len(joint.features))
    if count == 0:
        return np.zeros((len(atoms), 0), np.int64), np.zeros((len(atoms), 0), np.float32)
    search = NearestNeighbors(n_neighbors=count, algorithm='brute', metric='sqeuclidean').fit(joint.features)
    distances, indices = search.kneighbors(atoms)
    return indices, np.clip(1 - distances / 2, -1, 1)  # |a - b|^2 = 2 - 2 cos for unit vectors
