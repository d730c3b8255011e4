"""The commonest mistakes: what each kind costs, examples of it, and how misses depend on the size of objects."""
from pathlib import Path

import numpy as np
from matplotlib.ticker import MaxNLocator

from ..visualization.style import BLUE, ORANGE, save, save_image
from .drawn_objects import Scenes
from .matching import Matches
from .mistakes import KINDS, MEANINGS, MISSED
from .plotting import empty_note, figure_style, new_figure
from .section import Figure, Section, Table

_MOST_TILES, _COLUMNS, _GAP = 6, 2, 8
_AREAS = {'small, under 32 x 32 pixels': (0, 32 ** 2), 'medium, under 96 x 96': (32 ** 2, 96 ** 2),
          'large': (96 ** 2, np.inf)}  # those of COCO


def mistakes_section(scenes: Scenes, folder: Path) -> Section:
    """Figures, tables and examples of mistakes."""
    matches, mistakes, threshold = scenes.matches, scenes.mistakes, scenes.threshold
    counts = {kind: int(((mistakes.kind == number) & (matches.detected.score >= threshold)).sum())
              for number, kind in enumerate(KINDS)} | {MISSED: int(scenes.missed.sum())}
    with figure_style(scenes.results.classes):
        figures = [_costs(mistakes.costs, folder), _sizes(scenes, folder)]
    figures += [figure for kind in sorted(counts, key=counts.get, reverse=True)
                if (figure := _examples(scenes, kind, counts[kind], folder))]
    rows = [[kind, MEANINGS[kind], counts[kind], mistakes.costs[kind]]
            for kind in sorted(counts, key=lambda kind: -(mistakes.costs[kind] or 0))]
    text = (f'The kinds of mistakes are those of TIDE (Bolya et al. 2020). AP50 is {_percent(mistakes.ap50)}; the cost '
            'of a kind is how much higher AP50 would be if only these mistakes were corrected, over all scores, so '
            f'that costs do not add up. The counts, and the examples, are at the threshold of {threshold:.3f}.')
    tables = (Table('Mistakes by kind', ('kind', 'what it is', 'number', 'cost in AP50'), rows),
              Table('Objects by size', ('size of the box', 'objects', 'not detected', 'recall'), _by_area(scenes)))
    return Section('mistakes', 'The commonest mistakes', text, figures, tables)


def _costs(costs: dict[str, float | None], folder: Path) -> Figure:
    figure = new_figure(3.4)
    axes = figure.add_subplot(xlabel='cost in AP50')
    defined = {kind: cost for kind, cost in costs.items() if cost is not None}
    kinds = sorted(defined, key=defined.get)
    bars = axes.barh(kinds, [defined[kind] for kind in kinds], color=BLUE, height=0.65)
    axes.bar_label(bars, [f'{defined[kind]:.3f}' for kind in kinds], padding=4)
    axes.set_xlim(0, 1.15 * max(defined.values(), default=0) or 1)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.grid(False, axis='y')
    if not defined:
        empty_note(axes, 'no objects')
    return Figure(save(figure, folder / 'mistakes.png'), 'What each kind of mistake costs',
                  'How much higher AP50 would be without the mistakes of a kind.')


def _sizes(scenes: Scenes, folder: Path) -> Figure:
    """Detected and not detected objects over the square root of their area, in octaves of half."""
    area, hit = _objects(scenes)
    side = np.sqrt(area).clip(1)
    figure = new_figure(3.6)
    axes = figure.add_subplot(xlabel='side of the box in pixels: root of its area', ylabel='objects')
    if len(side):
        edges = 2 ** (np.arange(np.floor(2 * np.log2(side.min())), np.floor(2 * np.log2(side.max())) + 2) / 2)
        total, right = (np.histogram(values, edges)[0] for values in (side, side[hit]))
        x = np.arange(len(total))
        axes.bar(x, right, color=BLUE, width=0.85, label='detected')
        bars = axes.bar(x, total - right, bottom=right, color=ORANGE, width=0.85, label='not detected')
        axes.bar_label(bars, [f'{hits / number:.0%}' if number else '' for hits, number in zip(right, total)],
                       fontsize=8 if len(total) < 16 else 6.5)
        axes.set_xticks(np.arange(len(edges))[::2] - 0.5, [f'{edge:.0f}' for edge in edges[::2]])
        axes.set_ylim(0, 1.12 * total.max())
        figure.legend(loc='outside upper right', ncols=2)
    else:
        empty_note(axes, 'no objects')
    axes.grid(False, axis='x')
    return Figure(save(figure, folder / 'detected_sizes.png'), 'Which sizes are detected',
                  'Objects by the size of their box; above each bar the share that is detected at the threshold.')


def _examples(scenes: Scenes, kind: str, number: int, folder: Path) -> Figure | None:
    """Cut-outs of the mistakes of a kind, or None if there are none."""
    chosen = _chosen(scenes, kind)
    if not len(chosen):
        return None
    tiles = [scenes.tile(kind, index) for index in chosen]
    rows = []
    for start in range(0, len(tiles), _COLUMNS):
        row = tiles[start:start + _COLUMNS]
        row += [np.full_like(row[0], 255)] * (min(_COLUMNS, len(tiles)) - len(row))
        rows.append(np.concatenate([np.pad(tile, ((0, _GAP), (0, _GAP), (0, 0)), constant_values=255)
                                    for tile in row], axis=1))
    images = scenes.matches.truths.image if kind == MISSED else scenes.matches.detected.image
    files = ', '.join(dict.fromkeys(Path(scenes.results.images[images[index]].path).name for index in chosen))
    which = 'the largest ones' if kind == MISSED else 'those with the highest scores'
    path = save_image(np.concatenate(rows), folder / f'example_{kind.replace(" ", "_")}.png')
    meaning = f'{MEANINGS[kind][0].upper()}{MEANINGS[kind][1:]}'
    return Figure(path, f'{kind.capitalize()}: {number}',
                  f'{meaning}; {which}, at most two of an image. {_LEGEND[kind]} From {files}.')


_LEGEND = dict.fromkeys(KINDS, 'Red: the detection; green: the object.') | {
    'twice': 'Red: the detection that is one too many; blue: the one with the higher score.',
    'background': 'Red: the detection.', MISSED: 'Red: the object.'}


def _chosen(scenes: Scenes, kind: str) -> list[int]:
    """Of the objects or detections with this mistake the most conspicuous ones, at most two of an image."""
    matches: Matches = scenes.matches
    if kind == MISSED:
        rows = np.flatnonzero(scenes.missed)
        rows, images = rows[np.argsort(-matches.truths.area[rows], kind='stable')], matches.truths.image
    else:
        detected = matches.detected
        rows = np.flatnonzero((scenes.mistakes.kind == KINDS.index(kind)) & (detected.score >= scenes.threshold))
        rows, images = rows[np.argsort(-detected.score[rows], kind='stable')], detected.image
    chosen: list[int] = []
    for row in rows.tolist():
        if sum(images[other] == images[row] for other in chosen) < 2:
            chosen.append(row)
        if len(chosen) == _MOST_TILES:
            break
    return chosen


def _by_area(scenes: Scenes) -> list[list[str | int | float | None]]:
    area, hit = _objects(scenes)
    rows = []
    for name, (least, most) in _AREAS.items():
        inside = (area >= least) & (area < most)
        count, right = int(inside.sum()), int(hit[inside].sum())
        rows.append([name, count, count - right, right / count if count else None])
    return rows


def _objects(scenes: Scenes) -> tuple[np.ndarray, np.ndarray]:
    """Areas of the objects that are no crowds, and whether each is detected at the threshold."""
    truths, score = scenes.matches.truths, scenes.matches.detected.score
    matched = truths.detection >= 0
    hit = np.zeros(len(matched), bool)
    hit[matched] = score[truths.detection[matched]] >= scenes.threshold
    return truths.area[~truths.ignored], hit[~truths.ignored]


def _percent(value: float | None) -> str:
    return 'not defined, because there are no objects' if value is None else f'{value:.3f}'
