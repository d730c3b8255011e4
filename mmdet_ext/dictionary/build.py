"""From sources of features to atoms: sample, project, cluster, and remember where each atom comes from.

YOLO-RD (https://arxiv.org/abs/2410.15346) begins with atoms that are k-means centres of features.
"""
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tqdm import tqdm

from mmdet_ext.files import read_arrays
from mmdet_ext.models.layers import Atoms
from mmdet_ext.unfinished import Unfinished

from .clustering import Clusters, run_passes, start_clusters
from .joint import describe_nearest, join, summarise
from .processes import ALONE, Processes
from .sampling import Draw
from .sources.base import Source

SAVE_SECONDS = 30


@dataclass(frozen=True)
class BuildOptions:
    """Sizes of a dictionary and of the way to it.

    Args:
        atoms: N, at least 2.
        channels: C; by default the width of the sources, if they share one.
        samples: Features to cluster at most, over all sources.
        passes: Of k-means at most.
        tolerance: Relative change of the inertia at which k-means stops.
        nearest: Samples to remember per atom.
        seed: Of everything random.
    """
    atoms: int = 512
    channels: int | None = None
    samples: int = 65536
    passes: int = 100
    tolerance: float = 1e-4
    nearest: int = 9
    seed: int = 0


def build_dictionary(sources: Sequence[Source], options: BuildOptions, work: Unfinished, *, restart: bool = False,
                     processes: Processes = ALONE) -> Atoms | None:
    """Build a dictionary, or go on with one that was interrupted.

    Args:
        sources: Each gives an equal share of the samples.
        options: Sizes.
        work: Where the features are kept, on a file system that all processes share. They stay there: `work.remove()`
            once the atoms are saved.
        restart: Whether to forget what is there.
        processes: Which part of the features is for this process.

    Returns:
        The atoms in process 0, None in the others; ValueError if sizes and samples do not fit each other, or other
        arguments began the work.
    """
    channels = common_channels(sources, options.channels)
    capacity = options.samples // len(sources)
    if capacity * len(sources) < options.atoms:
        raise ValueError(f'{options.samples} samples (--samples) are fewer than {options.atoms} atoms (--atoms)')
    if processes.rank == 0:
        memory = np.full((capacity * len(sources), channels), 0, np.float32)  # taken now, not after hours
        described = [dict(source.fingerprint, name=source.name, width=source.width, items=source.num_items)
                     for source in sources]
        work.begin(dict(sources=described, samples=options.samples, seed=options.seed), restart=restart)
    processes.barrier()
    draws = [Draw(source, number, capacity, options.seed, work, processes) for number, source in enumerate(sources)]
    if processes.rank:
        return None
    for draw in draws:
        draw.require_samples()
    try:
        joint = join(draws, options.seed, memory)
        clusters = _cluster(joint.features, options, work)
    except ValueError as error:
        raise ValueError(f'{error}. The samples are kept in {work.folder}: other --atoms or --channels go on from '
                         'them') from error
    return Atoms(torch.from_numpy(clusters.centres), torch.from_numpy(clusters.counts),
                 describe_nearest(joint, clusters.centres, options.nearest), joint.projections,
                 summarise(joint, clusters))


def common_channels(sources: Sequence[Source], channels: int | None) -> int:
    """Width of the atoms: `channels`, or that of the sources; ValueError if it is None and the sources differ."""
    widths = {source.width for source in sources}
    if channels is None and len(widths) > 1:
        described = ', '.join(f'{source.name} {source.width}' for source in sources)
        raise ValueError(f'the sources have features of several widths ({described}): say which the atoms should have '
                         'with --channels')
    return channels or widths.pop()


def _cluster(features: np.ndarray, options: BuildOptions, work: Unfinished) -> Clusters:
    """All passes of k-means; those that an interrupted build has saved are not made again."""
    name = f'clusters_{options.atoms}_{features.shape[1]}_{options.passes}_{options.tolerance}.npz'
    if work.piece(name) is None:
        rng = np.random.default_rng(np.random.SeedSequence(options.seed, spawn_key=(2, )))
        start = start_clusters(features, options.atoms, rng)
    else:
        with read_arrays(work.piece(name)) as saved:
            start = Clusters(saved['centres'], saved['inertias'].tolist(), int(saved['restarts']))
    saved_at = time.monotonic()
    with tqdm(desc='k-means', total=options.passes, unit=' passes', initial=len(start.inertias),
              mininterval=0.1 if sys.stderr.isatty() else 30) as bar:
        for clusters in run_passes(features, start, passes=options.passes, tolerance=options.tolerance):
            bar.set_postfix(inertia=f'{clusters.inertias[-1]:.6g}', refresh=False)
            bar.update()
            if time.monotonic() - saved_at >= SAVE_SECONDS and not len(clusters.counts):
                with work.write(name) as file:
                    np.savez(file, centres=clusters.centres, inertias=clusters.inertias, restarts=clusters.restarts)
                saved_at = time.monotonic()
    return clusters
