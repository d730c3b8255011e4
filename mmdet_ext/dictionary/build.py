"""From sources of features to atoms: sample, project, cluster, and remember where each atom comes from.

YOLO-RD (https://arxiv.org/abs/2410.15346) begins with atoms that are k-means centres of features.
"""
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from mmdet_ext.models.layers import Atoms

from .clustering import Clusters, run_passes, start_clusters
from .extraction import check_found, extract, take_up
from .joint import JointSample, join, joint_memory, nearest_samples
from .processes import Interrupted, Processes, StopRequest
from .progress import progress_bar
from .sampling import SourceSample, done_chunks
from .sources.base import Source
from .state import State, Timer
from .summary import summarise


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


def build_dictionary(sources: Sequence[Source], options: BuildOptions, state: State, *, restart: bool = False,
                     processes: Processes = Processes(), stop: StopRequest | None = None) -> Atoms | None:
    """Build a dictionary, or go on with one that was interrupted.

    Args:
        sources: Each gives an equal share of the samples.
        options: Sizes.
        state: Where the unfinished build is kept, on a file system that all processes share. It stays there:
            `state.remove()` once the atoms are saved.
        restart: Whether to forget what is there.
        processes: Which part of the chunks is for this process.
        stop: Asked between chunks and between passes.

    Returns:
        The atoms in process 0, None in the others.

    Raises:
        ValueError: If sizes and samples do not fit each other, or other arguments began the state.
        Interrupted: If `stop` was requested; the state is saved.
    """
    stop = stop or StopRequest()
    channels = common_channels(sources, options.channels)
    capacity = options.samples // len(sources)
    if capacity * len(sources) < options.atoms:
        raise ValueError(f'{options.samples} samples (--samples) are fewer than {options.atoms} atoms (--atoms)')
    samples = [SourceSample(source, number, capacity, options.seed) for number, source in enumerate(sources)]
    if processes.rank == 0:
        memory = joint_memory(sources, capacity, channels)
        state.begin(*_fingerprints(sources, options, channels), restart=restart)
        for sample in samples:
            take_up(sample, state)
    processes.barrier()
    done = [done_chunks(state.part(number, 0)) for number in range(len(sources))]
    processes.barrier()  # only now process 0 may add to these files
    for source, sample, chunks in zip(sources, samples, done):
        extract(source, sample, chunks, state, processes, stop)
    processes.barrier()
    if processes.rank:
        return None
    for source, sample in zip(sources, samples):
        for path in state.parts(sample.number):
            sample.merge(path)
        check_found(source, sample, state)
    try:
        joint = join(sources, samples, channels, options.seed, memory)
        clusters = _cluster(joint, options, state, stop)
    except ValueError as error:
        state.forget_clustering()
        raise ValueError(f'{error}. The samples are kept in {state.folder}: other --atoms or --channels go on from '
                         'them') from error
    report = summarise(sources, samples, joint, clusters)
    projections = [made.record(source.name) for made, source in zip(joint.projections, sources)]
    return Atoms(torch.from_numpy(clusters.centres), torch.from_numpy(clusters.counts),
                 _provenance(sources, joint, clusters, options.nearest), projections, report)


def common_channels(sources: Sequence[Source], channels: int | None) -> int:
    """Width of the atoms: `channels`, or that of the sources.

    Raises:
        ValueError: If it is None and the sources differ.
    """
    widths = {source.width for source in sources}
    if channels is None and len(widths) > 1:
        named = ', '.join(f'{source.name} {source.width}' for source in sources)
        raise ValueError(f'the sources have features of several widths ({named}): say which the atoms should have with '
                         '--channels')
    return channels or widths.pop()


def _fingerprints(sources: Sequence[Source], options: BuildOptions, channels: int) -> tuple[dict, dict]:
    described = [dict(source.fingerprint(), name=source.name, width=source.width, num_items=source.num_items,
                      num_chunks=source.num_chunks) for source in sources]
    sampling = dict(sources=described, samples=options.samples, seed=options.seed)
    return sampling, dict(atoms=options.atoms, channels=channels, passes=options.passes, tolerance=options.tolerance)


def _cluster(joint: JointSample, options: BuildOptions, state: State, stop: StopRequest) -> Clusters:
    stop.check()
    clusters = state.load_clusters()
    if clusters is None:
        rng = np.random.default_rng(np.random.SeedSequence(options.seed, spawn_key=(2, )))
        clusters = start_clusters(joint.features, options.atoms, rng)
        state.save_clusters(clusters)
    timer = Timer()
    with progress_bar('k-means', options.passes, 'passes', initial=len(clusters.inertias)) as bar:
        try:
            for clusters in run_passes(joint.features, clusters, passes=options.passes, tolerance=options.tolerance,
                                       check=stop.check):
                bar.set_postfix(inertia=f'{clusters.inertias[-1]:.6g}', refresh=False)
                bar.update()
                if timer.due():
                    state.save_clusters(clusters)
        except Interrupted:
            state.save_clusters(clusters)
            raise
    state.save_clusters(clusters)
    return clusters


def _provenance(sources: Sequence[Source], joint: JointSample, clusters: Clusters,
                count: int) -> list[list[dict[str, Any]]]:
    indices, cosines = nearest_samples(joint, clusters.centres, count)
    found = []
    for row, similarities in zip(indices, cosines):
        found.append([])
        for index, similarity in zip(row, similarities):
            source = sources[joint.sources[index]]
            described = source.describe(int(joint.items[index]), joint.boxes[index])
            found[-1].append(dict(described, source=source.name, similarity=float(similarity)))
    return found
