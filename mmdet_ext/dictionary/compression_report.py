"""The report of a compression: report.json, report.md and pictures of usage and loss."""
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn as nn
from torch.utils.flop_counter import FlopCounterMode

from .usage import dictionary_inputs, find_dictionaries


def write_report(folder: Path, report: dict[str, Any]) -> None:
    """Write the pictures, report.md and, last, report.json."""
    draw_usage(folder / 'usage.png', report['dictionaries'])
    if report['losses']:
        draw_losses(folder / 'loss.png', report['losses'])
    (folder / 'report.md').write_text(describe(report))
    (folder / 'report.json').write_text(json.dumps(report, indent=1) + '\n')


def describe(report: dict[str, Any]) -> str:
    """The report in Markdown."""
    sections = [f'# Compressed dictionaries\n\n    {report["command"]}\n',
                f'{report["config"]}, {report["checkpoint"]}: atoms kept by {report["by"]}, {report["iters"]} steps of '
                f'distillation in {report["seconds"]:.0f} s, on {report["pictures"]} training pictures.\n']
    if report['metrics']:
        stages = list(report['metrics'])
        rows = [[name, *(f'{report["metrics"][stage][name]:.4g}' for stage in stages)]
                for name in report['metrics'][stages[0]]]
        sections.append(_table(['metric', *stages], rows))
    sizes = [report[when] for when in ('before', 'after')]
    rows = [['parameters of the model', *(f'{size["parameters"]:,}' for size in sizes)]]
    for part in ('dictionaries', 'network'):
        rows.append([f'GFLOPs, {part}', *(f'{size[part] / 1e9:.3f}' for size in sizes)])
    for name, one in report['dictionaries'].items():
        rows.append([f'{name}: atoms', *map(str, one['atoms'])])
        rows.append([f'{name}: effective atoms', *(f'{number:.1f}' for number in one['effective_atoms'])])
        rows.append([f'{name}: parameters', *(f'{number:,}' for number in one['parameters'])])
    sections.append(_table(['', 'before', 'after'], rows))
    sections.append('The network is backbone and neck on the first picture of calibration.\n')
    rows = [[name, *(f'{one[stage][value]:.4f}' for value in ('loss', 'cosine', 'unexplained')
              for stage in ('pruned', 'distilled'))]
            for name, one in report['dictionaries'].items()]
    head = [f'{value}, {stage}' for value in ('InfoNCE', 'cosine', 'unexplained') for stage in ('pruned', 'distilled')]
    sections.append(_table(['nearness to the trained dictionary', *head], rows))
    sections.append('InfoNCE and cosine are of pixels of '
                    f'{"what is retrieved" if report["retrieved"] else "the output"}; unexplained is the mean squared '
                    'difference of what is retrieved as a share of its variance.\n')
    sections.append('![usage](usage.png)' + (' ![loss](loss.png)' if report['losses'] else '') + '\n')
    return '\n'.join(sections)


def draw_usage(path: Path, dictionaries: dict[str, dict[str, Any]]) -> None:
    """Atoms by falling usage, kept ones in another colour."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3 * len(dictionaries)), layout='constrained')
    for axes, (name, one) in zip(figure.subplots(len(dictionaries), squeeze=False)[:, 0], dictionaries.items()):
        usage = np.array(one['usage'])
        order = np.argsort(-usage, kind='stable')
        kept = np.isin(order, one['kept'])
        for chosen, colour, label in ((kept, 'tab:blue', 'kept'), (~kept, 'tab:orange', 'removed')):
            axes.bar(np.flatnonzero(chosen), usage[order][chosen], width=1, color=colour,
                     label=f'{label}: {chosen.sum()}')
        axes.axvline(one['effective_atoms'][0] - 0.5, color='black', linestyle=':',
                     label=f'effective number: {one["effective_atoms"][0]:.1f}')
        axes.set(title=name, xlabel='atoms, the most used first', ylabel="usage: mean |c'|")
        axes.set_xlim(-0.5, len(usage) - 0.5)
        axes.legend()
    figure.savefig(path, dpi=100)


def draw_losses(path: Path, losses: list[float]) -> None:
    """Loss of each step of the distillation."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3), layout='constrained')
    axes = figure.subplots()
    axes.plot(range(1, len(losses) + 1), losses, linewidth=0.8)
    axes.set(xlabel='step', ylabel='loss')
    figure.savefig(path, dpi=100)


@torch.no_grad()
def count_flops(model: nn.Module, data: dict) -> dict[str, int]:
    """Twice the multiply-adds of a detector's `dictionaries`, and of its `network` (backbone and neck), for a picture.

    Args:
        model: One of mmdet's detectors.
        data: A batch, of which the first picture is taken.
    """
    one = {key: value[:1] for key, value in data.items()}
    dictionaries = find_dictionaries(model)
    with FlopCounterMode(display=False) as network:
        inputs = dictionary_inputs(model, one)
    with FlopCounterMode(display=False) as part:
        for name, x in inputs:
            dictionaries[name](x)
    return dict(dictionaries=part.get_total_flops(), network=network.get_total_flops())


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ['---'] * len(head), *rows]
    return '\n'.join(f'| {" | ".join(cells)} |' for cells in lines) + '\n'
