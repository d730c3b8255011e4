"""The report on a compression: report.json, report.md and figures of usage and loss."""
import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ..style import BLUE, INK, ORANGE, save
from .plots import draw_steps, label_axes, table


def write_report(folder: Path, report: dict[str, Any]) -> None:
    """Write the figures, report.md and, last, report.json of a report of `Compression.run`."""
    draw_usage(folder / 'usage.png', report['dictionaries'])
    if report['losses']:
        draw_steps(report['losses'], folder / 'loss.png', 'loss of the distillation', 'step')
    (folder / 'report.md').write_text(describe(report))
    (folder / 'report.json').write_text(json.dumps(report, indent=1) + '\n')


def describe(report: dict[str, Any]) -> str:
    """The report in Markdown."""
    parts = [f'# Compressed dictionaries\n\n    {report["command"]}',
             f'{report["config"]}, {report["checkpoint"]}: atoms kept by {report["by"]}, {report["iters"]} steps of '
             f'distillation in {report["seconds"]:.0f} s, on {report["images"]} training images.']
    if metrics := report['metrics']:
        names = next(iter(metrics.values()))
        rows = [[name, *(f'{values[name]:.4g}' for values in metrics.values())] for name in names]
        parts.append(table(rows, ['metric', *metrics]))
    sizes = [report[when] for when in ('before', 'after')]
    rows = [['parameters of the model', *(f'{size["parameters"]:,}' for size in sizes)]]
    rows += [[f'GFLOPs, {part}', *(f'{size[part] / 1e9:.3f}' for size in sizes)]
             for part in ('dictionaries', 'network')]
    for name, described in report['dictionaries'].items():
        rows += [[f'{name}: atoms', *described['atoms']],
                 [f'{name}: effective atoms', *(f'{number:.1f}' for number in described['effective_atoms'])],
                 [f'{name}: parameters', *(f'{number:,}' for number in described['parameters'])]]
    parts += [table(rows, ['', 'before', 'after']),
              'The network is backbone and neck on the first image of calibration.']
    values = dict(loss='InfoNCE', cosine='cosine', unexplained='unexplained')
    rows = [[name, *(f'{described[stage][value]:.4f}' for value in values for stage in ('pruned', 'distilled'))]
            for name, described in report['dictionaries'].items()]
    head = [f'{title}, {stage}' for title in values.values() for stage in ('pruned', 'distilled')]
    parts += [table(rows, ['nearness to the trained dictionary', *head]),
              f'InfoNCE and cosine are of pixels of {"what is retrieved" if report["retrieved"] else "the output"}; '
              'unexplained is the mean squared difference of what is retrieved as a share of its variance.',
              '![usage](usage.png)' + (' ![loss](loss.png)' if report['losses'] else '')]
    return '\n\n'.join(parts) + '\n'


def draw_usage(path: Path, dictionaries: dict[str, dict[str, Any]]) -> None:
    """Write a PNG of the atoms by falling usage, those that are kept in another colour."""
    figure = Figure(figsize=(8, 3 * len(dictionaries)), layout='constrained')
    for axes, (name, described) in zip(figure.subplots(len(dictionaries), squeeze=False)[:, 0], dictionaries.items()):
        usage = np.array(described['usage'])
        order = np.argsort(-usage, kind='stable')
        kept = np.isin(order, described['kept'])
        for chosen, colour, label in ((kept, BLUE, 'kept'), (~kept, ORANGE, 'removed')):
            axes.bar(np.flatnonzero(chosen), usage[order][chosen], width=1, color=colour,
                     label=f'{label}: {chosen.sum()}')
        effective = described['effective_atoms'][0]
        axes.axvline(effective - 0.5, color=INK, linestyle=':', label=f'effective number: {effective:.1f}')
        label_axes(axes, name, 'atoms, the most used first', "usage: mean |c'|")
        axes.set_xlim(-0.5, len(usage) - 0.5)
        axes.legend()
    save(figure, path)
