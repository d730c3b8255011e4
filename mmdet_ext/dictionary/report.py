"""The report of a dictionary for a person: numbers, text and pictures."""
import json
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from mmdet_ext.models.layers import Atoms
from mmdet_ext.visualization.samples import draw_nearest_samples
from mmdet_ext.visualization.style import BLUE, GREY, INK, LARGE, NORMAL, ORANGE, PALE, save

SHOWN_ATOMS = 12
SHOWN_PASSES = 10


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
    order = np.argsort(-counts, kind='stable')
    places = np.linspace(0, len(order) - 1, min(number, len(order))).round().astype(int)
    return order[places].tolist()


def markdown(atoms: Atoms, shown: list[int]) -> str:
    """The text of report.md, which shows `shown` atoms in a picture if there are any."""
    report = atoms.report
    count, channels = atoms.vectors.shape
    lines = [f'# {count} atoms of {channels} channels', '', f'    {atoms.arguments.get("command", "")}', '',
             '## Sources', '', *_source_table(report), '']
    if any(report['skipped']):
        lines += [f'{sum(report["skipped"])} items could not be read:', '',
                  *(f'- {line}' for line in report['skipped_lines']), '']
        if sum(report['skipped']) > len(report['skipped_lines']):
            lines += ['- and others', '']
    lines += ['An atom counts for the source that most samples of its cluster are from.', '', '## Clustering', '',
              clustering_line(report), '', '![inertia over passes](inertia.png)', '',
              '| pass | inertia | change to the pass before |', '| ---: | ---: | ---: |',
              *_inertia_rows(report['inertia']), '', '## Atoms', '', sizes_line(report), '',
              rank_line(report, count, channels), '', '![cluster sizes](cluster_sizes.png)', '']
    if shown:
        lines += [f'The samples nearest to {len(shown)} atoms, from the largest cluster to the smallest:', '',
                  '![nearest samples](nearest_samples.png)', '']
    return '\n'.join(lines)


def clustering_line(report: dict) -> str:
    """One sentence on how k-means went."""
    first, last = report['inertia'][0], report['inertia'][-1]
    end = 'until the inertia was at rest' if report['converged'] else 'and the inertia was still falling'
    restarts = report['restarted_clusters']
    samples = sum(report['samples'])
    return (f'{report["passes"]} passes over {samples:,} samples, {end}: from {first:,.4g} to {last:,.4g} '
            f'({last / samples:.4f} per sample). Empty clusters that were restarted: {restarts}.')


def sizes_line(report: dict) -> str:
    """One sentence on the sizes of the clusters."""
    return (f'Samples per atom: {report["smallest_cluster"]:,} to {report["largest_cluster"]:,}, median '
            f'{report["median_cluster"]:,.1f}; empty clusters: {report["empty_clusters"]}.')


def rank_line(report: dict, count: int, channels: int) -> str:
    """One sentence on how many directions the atoms span."""
    return (f'Effective rank (exp of the entropy of the normalised singular values): {report["effective_rank"]:.1f} of '
            f'at most {min(count, channels)}.')


def draw_inertia(inertia: list[float], path: Path) -> None:
    """Write a PNG of the inertia before each pass."""
    figure = Figure((5.2, 2.9), layout='constrained')
    axes = figure.subplots()
    axes.plot(range(1, len(inertia) + 1), inertia, color=BLUE, linewidth=1.6, marker='o' if len(inertia) < 40 else '',
              markersize=3)
    axes.annotate(f'{inertia[-1]:,.4g}', (len(inertia), inertia[-1]), (0, 6), textcoords='offset points', ha='right',
                  fontsize=NORMAL, color=INK)
    axes.set_xlim(1 - 0.02 * len(inertia), 1.02 * len(inertia))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f'{value:,.6g}'))
    axes.set_title('Inertia: squared distances of samples to their atoms', fontsize=LARGE, color=INK, loc='left')
    axes.set_xlabel('pass', fontsize=NORMAL)
    _tidy(axes)
    save(figure, path)


def draw_cluster_sizes(counts: np.ndarray, path: Path) -> None:
    """Write a PNG of the samples per atom, the largest cluster first."""
    sizes = np.sort(counts)[::-1]
    figure = Figure((5.2, 2.9), layout='constrained')
    axes = figure.subplots()
    axes.bar(np.arange(1, len(sizes) + 1), sizes, width=1 if len(sizes) > 60 else 0.8, color=BLUE)
    median = float(np.median(sizes))
    axes.axhline(median, color=ORANGE, linewidth=1.2)
    axes.annotate(f'median {median:,.0f}', (1, median), (-2, 3), xycoords=('axes fraction', 'data'),
                  textcoords='offset points', ha='right', fontsize=NORMAL, color=INK)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f'{value:,.6g}'))
    axes.set_xlim(0.3, len(sizes) + 0.7)
    axes.set_title('Samples per atom, largest cluster first', fontsize=LARGE, color=INK, loc='left')
    axes.set_xlabel('rank of the atom', fontsize=NORMAL)
    _tidy(axes)
    save(figure, path)


def _tidy(axes: Axes) -> None:
    axes.tick_params(labelsize=NORMAL, colors=INK, length=0)
    axes.grid(axis='y', color=PALE, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ('top', 'right', 'left'):
        axes.spines[side].set_visible(False)
    axes.spines['bottom'].set_color(GREY)


def _source_table(report: dict) -> list[str]:
    columns = {'source': 'sources', 'items': 'items', 'unreadable': 'skipped', 'width': 'widths',
               'projection': 'projections', 'samples seen': 'samples_seen', 'zero, dropped': 'dropped_zero',
               'not finite, dropped': 'dropped_non_finite', 'samples clustered': 'samples',
               'atoms': 'atoms_by_majority'}
    rows = zip(*(report[key] for key in columns.values()))
    cells = [[f'{value:,}' if isinstance(value, int) else value for value in row] for row in rows]
    rules = [':---' if key in ('sources', 'projections') else '---:' for key in columns.values()]
    return [f'| {" | ".join(row)} |' for row in (list(columns), rules, *cells)]


def _inertia_rows(inertia: list[float]) -> list[str]:
    """A row for some of the passes, the first and the last among them."""
    shown = np.unique(np.linspace(0, len(inertia) - 1, min(SHOWN_PASSES, len(inertia))).round().astype(int))
    rows = []
    for index in shown:
        before = inertia[index - 1]
        change = f'{inertia[index] / before - 1:+.3%}' if index and before else ''
        rows.append(f'| {index + 1} | {inertia[index]:,.6g} | {change} |')
    return rows
