"""Detections as HTML: boxes over the image, the caption with its phrases in the colours of their boxes, a table.

What belongs together lights up together: an element shows, when the pointer is on it, all elements that have one of the
keys in its `data-shows` in their `data-keys`. `script.py` has the few lines of JavaScript that do it.
"""
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from supervision import mask_to_polygons

from ..drawing import drawing_order
from ..visualization.grounding.visualizer import COLORS
from .result import Result

# about what a label takes, in percent of the image's height, and of its width for a letter
_LABEL_HEIGHT, _LETTER_WIDTH, _MOST_WIDTH = 5, 1.7, 45
_QUIET = 'in from-left quiet'  # a label that is shown when its box lights up only


def color_of(label: int) -> str:
    """'#rrggbb' of a class or phrase; white letters can be read on it."""
    return '#{:02x}{:02x}{:02x}'.format(*COLORS[label % len(COLORS)])


def phrases_of(result: Result, rows: Sequence[int]) -> dict[tuple, int]:
    """The phrases that name some boxes, as tuples of spans, and a number for each in the order of the caption."""
    keys = {_phrase(result, row) for row in rows}
    return {key: number for number, key in enumerate(sorted(keys))}


def stage_html(result: Result, rows: Sequence[int], kinds: Mapping[int, str] | None = None,
               partners: Mapping[int, str] | None = None) -> str:
    """The boxes of some rows, to be laid over the image.

    Args:
        result: What a model sees.
        rows: Rows of `result` to show.
        kinds: For some rows a class of CSS in the place of the label's colour: 'only' where the other model lacks it.
        partners: For rows a key that they share with boxes elsewhere.
    """
    colors = row_colors(result, rows)
    phrases = phrases_of(result, rows) if result.spans else {}
    masks = _masks_html(result, rows, colors)
    corners, boxes = result.detections.boxes.reshape(-1, 4), []
    sides = dict(zip(rows, label_sides(_percent(result, rows), [len(result.title(row)) for row in rows])))
    for row in (rows[index] for index in drawing_order(corners[list(rows)])):
        keys = [(partners or {}).get(row, f'b{row}')]
        shows = keys + ([f'p{phrases[_phrase(result, row)]}'] if phrases else [])
        boxes.append(_box_html(result, row, colors[row], keys, shows, (kinds or {}).get(row, ''), sides[row]))
    return masks + ''.join(boxes)


def row_colors(result: Result, rows: Sequence[int]) -> dict[int, str]:
    """The colour of each row: of its phrase if there is a caption, else of its class."""
    if not result.spans:
        return {row: color_of(int(result.detections.labels[row])) for row in rows}
    phrases = phrases_of(result, rows)
    return {row: color_of(phrases[_phrase(result, row)]) for row in rows}


def caption_html(result: Result, rows: Sequence[int]) -> str:
    """The caption, the phrases that name boxes in their colours: where phrases share a letter, that of the best box."""
    text = result.text or ''
    if not result.spans:
        return f'<p class="caption">{escape(text)}</p>' if text else ''
    phrases = phrases_of(result, rows)
    best, phrases_at = [None] * len(text), [set() for _ in text]
    for row in reversed(rows):  # by descending score: the best last, on top
        number = phrases[_phrase(result, row)]
        for begin, end in result.spans[row]:
            for position in range(begin, end):
                best[position] = number
                phrases_at[position].add(number)
    boxes = {number: [f'b{row}' for row in rows if phrases[_phrase(result, row)] == number]
             for number in phrases.values()}
    parts, begin = [], 0
    for end in range(1, len(text) + 1):
        if end < len(text) and (best[end], phrases_at[end]) == (best[begin], phrases_at[begin]):
            continue
        words = escape(text[begin:end])
        if best[begin] is not None:
            keys = [f'p{number}' for number in sorted(phrases_at[begin])]
            shows = keys + [box for number in sorted(phrases_at[begin]) for box in boxes[number]]
            words = (f'<span class="phrase" tabindex="0" style="--color:{color_of(best[begin])}" '
                     f'data-keys="{" ".join(keys)}" data-shows="{" ".join(shows)}">{words}</span>')
        parts.append(words)
        begin = end
    return f'<p class="caption">{"".join(parts)}</p>'


def table_html(result: Result, rows: Sequence[int]) -> str:
    """A row for each box: number, name, score, place and size in pixels of the image."""
    if not rows:
        return ''
    colors = row_colors(result, rows)
    lines = []
    for row in rows:
        x1, y1, x2, y2 = result.detections.boxes[row].tolist()
        key = f'b{row}'
        lines.append(
            f'<tr data-keys="{key}" data-shows="{key}" data-box="{row}"><td>{row + 1}</td>'
            f'<td><i class="dot" style="--color:{colors[row]}"></i>{escape(result.detections.names[row])}</td>'
            f'<td>{result.detections.scores[row]:.3f}</td><td>{x1:.0f}</td><td>{y1:.0f}</td><td>{x2 - x1:.0f}</td>'
            f'<td>{y2 - y1:.0f}</td></tr>')
    head = ''.join(f'<th>{name}</th>' for name in ('#', 'what', 'score', 'left', 'top', 'width', 'height'))
    return f'<div class="scroll"><table class="boxes"><tr>{head}</tr>{"".join(lines)}</table></div>'


def summary_html(result: Result, rows: Sequence[int]) -> str:
    """Answer, number of boxes, time taken."""
    height, width = result.detections.shape
    answer = f'<b class="answer">Answer: {escape(result.answer)}</b> ' if result.answer else ''
    count = f'{len(rows)} box{"" if len(rows) == 1 else "es"}'
    hidden = len(result.detections.scores) - len(rows)
    return (f'<p class="summary">{answer}{count} shown, {hidden} hidden by threshold and filter. '
            f'{escape(result.image.name)}, {width} x {height} pixels, took {result.seconds:.2f} s.</p>')


def label_sides(boxes: np.ndarray, lengths: Sequence[int]) -> list[str]:
    """Classes of CSS for the label of each box, one after another where it covers none of those before it.

    Args:
        boxes: (N, 4) in percent of the image.
        lengths: Letters of the labels.
    """
    sides, taken = [], np.zeros((0, 4))
    for (x1, y1, x2, y2), length in zip(boxes.tolist(), lengths, strict=True):
        width, chosen = min(length * _LETTER_WIDTH, _MOST_WIDTH), _QUIET
        columns = {'from-left': x1, 'from-right': x2 - width}
        for side, top in (('above', y1 - _LABEL_HEIGHT), ('in', y1), ('below', y2), ('in-below', y2 - _LABEL_HEIGHT)):
            for column in sorted(columns, reverse=x1 > 60):
                place = np.array([columns[column], top, columns[column] + width, top + _LABEL_HEIGHT])
                free = not ((place[:2] < taken[:, 2:]) & (taken[:, :2] < place[2:])).all(axis=1).any()
                if chosen == _QUIET and free and (place >= 0).all() and (place <= 100).all():
                    chosen, taken = f'{side} {column}', np.concatenate([taken, place[None]])
        sides.append(chosen)
    return sides


def _percent(result: Result, rows: Sequence[int]) -> np.ndarray:
    """(N, 4) boxes of some rows in percent of the image."""
    height, width = result.detections.shape
    size = np.array([width, height] * 2)
    return 100 * np.clip(result.detections.boxes[list(rows)].reshape(-1, 4), 0, size) / size


def _box_html(result: Result, row: int, color: str, keys: Sequence[str], shows: Sequence[str], kind: str,
              side: str) -> str:
    x1, y1, x2, y2 = _percent(result, [row])[0].tolist()
    label = result.title(row)
    return (f'<div class="box {kind}" role="button" tabindex="0" aria-label="{escape(label)}" data-box="{row}" '
            f'data-keys="{" ".join(keys)}" data-shows="{" ".join(shows)}" style="--color:{color};left:{x1:.2f}%;'
            f'top:{y1:.2f}%;width:{x2 - x1:.2f}%;height:{y2 - y1:.2f}%">'
            f'<span class="label {side}">{escape(label)}</span></div>')


def _masks_html(result: Result, rows: Sequence[int], colors: Mapping[int, str]) -> str:
    if result.detections.masks is None:
        return ''
    height, width = result.detections.shape
    shapes = ''.join(
        f'<polygon points="{" ".join(f"{x},{y}" for x, y in polygon)}" fill="{colors[row]}"/>'
        for row in reversed(rows) for polygon in mask_to_polygons(result.detections.masks[row]))
    return f'<svg viewBox="0 0 {width} {height}" preserveAspectRatio="none">{shapes}</svg>'


def _phrase(result: Result, row: int) -> tuple:
    return tuple(map(tuple, result.spans[row]))
