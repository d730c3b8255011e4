"""The report on how a dictionary was built: numbers, text and figures."""
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from tabulate import tabulate

from mmdet_ext.models.layers import Atoms

from ..style import BLUE, INK, LARGE, NORMAL, ORANGE, PALE, save, tidy
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
    draw_inertia(atoms.report['inertia'], folder / 'inertia.png')
    draw_cluster_sizes(atoms.counts.numpy(), folder / 'cluster_sizes.png')
    shown = spread_over_sizes(atoms.counts.numpy()) if any(atoms.nearest) else []
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
             _table(rows, list(COLUMNS))]
    if any(report['skipped']):
        lines = [*report['skipped_lines'], *(['and others'] * (sum(report['skipped']) > len(report['skipped_lines'])))]
        parts += [f'{sum(report["skipped"])} items could not be read:', '\n'.join(f'- {line}' for line in lines)]
    parts += ['An atom counts for the source that most samples of its cluster are from.', '## Clustering', clustering,
              '![inertia over passes](inertia.png)',
              _table(_inertia_rows(report['inertia']), ['pass', 'inertia', 'change to the pass before']),
              '## Atoms', sizes, rank, '![cluster sizes](cluster_sizes.png)']
    if shown:
        parts += [f'The samples nearest to {len(shown)} atoms, from the largest cluster to the smallest:',
                  '![nearest samples](nearest_samples.png)']
    return '\n\n'.join(parts) + '\n'


def draw_inertia(inertia: list[float], path: Path) -> None:
    """Write a PNG of the inertia before each pass."""
    figure, axes = _figure('Inertia: squared distances of samples to their atoms', 'pass')
    axes.plot(range(1, len(inertia) + 1), inertia, color=BLUE, linewidth=1.6, marker='o' if len(inertia) < 40 else '',
              markersize=3)
    axes.annotate(f'{inertia[-1]:,.4g}', (len(inertia), inertia[-1]), (0, 6), textcoords='offset points', ha='right',
                  fontsize=NORMAL, color=INK)
    axes.set_xlim(1 - 0.02 * len(inertia), 1.02 * len(inertia))
    save(figure, path)


def draw_cluster_sizes(counts: np.ndarray, path: Path) -> None:
    """Write a PNG of the samples per atom, the largest cluster first."""
    figure, axes = _figure('Samples per atom, largest cluster first', 'rank of the atom')
    axes.bar(np.arange(1, len(counts) + 1), np.sort(counts)[::-1], width=1 if len(counts) > 60 else 0.8, color=BLUE)
    median = float(np.median(counts))
    axes.axhline(median, color=ORANGE, linewidth=1.2)
    axes.annotate(f'median {median:,.0f}', (1, median), (-2, 3), xycoords=('axes fraction', 'data'),
                  textcoords='offset points', ha='right', fontsize=NORMAL, color=INK)
    axes.set_xlim(0.3, len(counts) + 0.7)
    save(figure, path)


def _figure(title: str, label: str) -> tuple[Figure, Axes]:
    figure = Figure((5.2, 2.9), layout='constrained')
    axes = tidy(figure.subplots())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f'{value:,.6g}'))
    axes.set_title(title, fontsize=LARGE, color=INK, loc='left')
    axes.set_xlabel(label, fontsize=NORMAL)
    axes.grid(axis='y', color=PALE, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _inertia_rows(inertia: list[float]) -> list[list[str]]:
    """A row for some of the passes, the first and the last among them."""
    changes = ['', *(f'{now / before - 1:+.3%}' if before else '' for before, now in pairwise(inertia))]
    return [[str(index + 1), f'{inertia[index]:,.6g}', changes[index]]
            for index in np.unique(_steps(len(inertia), SHOWN_PASSES)).tolist()]


def _steps(length: int, number: int) -> np.ndarray:
    return np.linspace(0, length - 1, min(number, length)).round().astype(int)


def _table(rows: list[list[str]], head: list[str]) -> str:
    return tabulate(rows, head, tablefmt='pipe', disable_numparse=True, colglobalalign='right')
