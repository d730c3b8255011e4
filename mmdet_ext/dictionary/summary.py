"""What a build counted, in plain numbers, strings and lists of them."""
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import entr

from .clustering import Clusters
from .joint import JointSample
from .sources.base import Source

MAX_LINES = 100  # of what could not be read


def summarise(sources: Sequence[Source], joint: JointSample, clusters: Clusters) -> dict[str, Any]:
    """The content of `Atoms.report`; lists without another explanation have a value per source."""
    samples = joint.samples
    shares = np.zeros((len(sources), len(clusters.counts)), np.int64)
    np.add.at(shares, (joint.sources, clusters.labels), 1)
    return dict(
        sources=[source.name for source in sources],
        items=[source.num_items for source in sources],
        items_computed=[sample.computed for sample in samples],
        widths=[source.width for source in sources],
        projections=[projection.kind for projection in joint.projections],
        skipped=[len(sample.skipped) for sample in samples],
        samples_seen=[sample.seen for sample in samples],
        dropped_zero=[sample.zero + gone for sample, gone in zip(samples, joint.vanished)],
        dropped_non_finite=[sample.non_finite for sample in samples],
        samples=np.bincount(joint.sources, minlength=len(sources)).tolist(),
        atoms_by_majority=np.bincount(shares.argmax(axis=0), minlength=len(sources)).tolist(),
        skipped_lines=[line for sample in samples for line in sample.skipped[:MAX_LINES]],
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
