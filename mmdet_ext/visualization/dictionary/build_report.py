"""The report on how a dictionary was built: numbers, text and figures."""
import json
from itertools import pairwise
from pathlib import Path

import numpy as np

from mmdet_ext.models.layers import Atoms

from .plots import draw_ranked, draw_steps, table
from .samples import draw_nearest_samples

SHOWN_ATOMS = 12
SHOWN_PASSES = 10
# Columns of the table of sources, and what they are called in `Atoms.report`.
COLUMNS = {'source': 'sources', 'items': 'items', 'computed': 'items_computed', 'unreadable': 'skipped',
           'width': 'widths', 'projection': 'projections', 'samples drawn': 'samples_seen',
           'zero, dropped': 'dropped_zero', 'not finite, dropped': 'dropped_non_finite',
           'samples clustered': 'samples', 'atoms': 'atoms_by_majority'}


def write_report(atoms: Atoms, folder: Path) -> None:
    """Write report.json, report.md, inertia.png, cluster_sizes.png and, if samples are known, nearest_samples.png."""
    folder.mkdir(parents=True, exist_ok=True)
    content = dict(arguments=atoms.arguments, **atoms.report)
    (folder / 'report.json').write_text(json.dumps(content, indent=1, default=str) + '\n')
    draw_steps(atoms.report['inertia'], folder / 'inertia.png',
               'Inertia: squared distances of samples to their atoms', 'pass')
    counts = atoms.counts.numpy()
    draw_ranked(counts, folder / 'cluster_sizes.png', 'Samples per atom, largest cluster first', 'rank of the atom',
                line=np.median(counts), name=f'median {np.median(counts):,.0f}')
    shown = spread_over_sizes(counts) if any(atoms.nearest) else []
    if shown:
        draw_nearest_samples(atoms, shown, folder / 'nearest_samples.png')
    (folder / 'report.md').write_text(markdown(atoms, shown))


def spread_over_sizes(counts: np.ndarray, number: int = SHOWN_ATOMS) -> list[int]:
    """Indices of `number` atoms (all if there are fewer) from the largest to the smallest cluster, at equal steps."""
    return np.argsort(-counts, kind='stable')[_steps(len(counts), number)].tolist()


def summary_lines(atoms: Atoms) -> tuple[str, str, str]:
    """A sentence each on how k-means went, on the sizes of the clusters, and on how many directions the atoms span."""
    report = atoms.report
    first, last, samples = report['inertia'][0], report['inertia'][-1], sum(report['samples'])
    end = 'until the inertia was at rest' if report['converged'] else 'and the inertia was still falling'
    return (f'{report["passes"]} passes over {samples:,} samples, {end}: from {first:,.4g} to {last:,.4g} '
            f'({last / samples:.4f} per sample). Empty clusters that were restarted: {report["restarted_clusters"]}.',
            f'Samples per atom: {report["smallest_cluster"]:,} to {report["largest_cluster"]:,}, median '
            f'{report["median_cluster"]:,.1f}; empty clusters: {report["empty_clusters"]}.',
            'Effective rank (exp of the entropy of the normalised singular values): '
            f'{report["effective_rank"]:.1f} of at most {min(atoms.vectors.shape)}.')


def markdown(atoms: Atoms, shown: list[int]) -> str:
    """The text of report.md, which has a figure of `shown` atoms if there are any."""
    report = atoms.report
    count, channels = atoms.vectors.shape
    clustering, sizes, rank = summary_lines(atoms)
    rows = [[f'{value:,}' if isinstance(value, int) else value for value in row]
            for row in zip(*(report[key] for key in COLUMNS.values()))]
    parts = [f'# {count} atoms of {channels} channels', f'    {atoms.arguments.get("command", "")}', '## Sources',
             table(rows, list(COLUMNS), colglobalalign='right')]
    if any(report['skipped']):
        lines = [*report['skipped_lines'], *(['and others'] * (sum(report['skipped']) > len(report['skipped_lines'])))]
        parts += [f'{sum(report["skipped"])} items could not be read:', '\n'.join(f'- {line}' for line in lines)]
    parts += ['An atom counts for the source that most samples of its cluster are from.', '## Clustering', clustering,
              '![inertia over passes](inertia.png)',
              table(_inertia_rows(report['inertia']), ['pass', 'inertia', 'change to the pass before'],
                    colglobalalign='right'),
              '## Atoms', sizes, rank, '![cluster sizes](cluster_sizes.png)']
    if shown:
        parts += [f'The samples nearest to {len(shown)} atoms, from the largest cluster to the smallest:',
                  '![nearest samples](nearest_samples.png)']
    return '\n\n'.join(parts) + '\n'


def _inertia_rows(inertia: list[float]) -> list[list[str]]:
    """A row for some of the passes, the first and the last among them."""
    changes = ['', *(f'{now / before - 1:+.3%}' if before else '' for before, now in pairwise(inertia))]
    return [[str(index + 1), f'{inertia[index]:,.6g}', changes[index]]
            for index in np.unique(_steps(len(inertia), SHOWN_PASSES)).tolist()]


def _steps(length: int, number: int) -> np.ndarray:
    return np.linspace(0, length - 1, min(number, length)).round().astype(int)
