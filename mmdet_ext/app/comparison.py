"""What two models see alike in an image, and what only one of them sees."""
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from supervision import box_iou_batch

from .result import Result
from .stage import stage_html

LEAST_IOU = 0.5


class Comparison(NamedTuple):
    """Rows of two results.

    Attributes:
        both: Pairs (left row, right row) of boxes with the same name that lie on each other.
        only_left: Rows of the left result that are in no pair.
        only_right: Rows of the right result that are in no pair.
    """
    both: list[tuple[int, int]]
    only_left: list[int]
    only_right: list[int]


def compare(left: Result, right: Result, left_rows: Sequence[int], right_rows: Sequence[int]) -> Comparison:
    """Pair the boxes of the same name with an IoU of at least `LEAST_IOU`, those with the highest IoU first.

    Names are compared without regard to case: two models may number their classes differently.
    """
    boxes, other_boxes = left.detections.boxes[list(left_rows)], right.detections.boxes[list(right_rows)]
    ious = box_iou_batch(boxes, other_boxes)
    for i, row in enumerate(left_rows):
        for j, other in enumerate(right_rows):
            if left.detections.names[row].lower() != right.detections.names[other].lower():
                ious[i, j] = 0
    both: list[tuple[int, int]] = []
    while ious.size and ious.max() >= LEAST_IOU:
        i, j = divmod(int(ious.argmax()), len(right_rows))
        both.append((left_rows[i], right_rows[j]))
        ious[i], ious[:, j] = 0, 0
    paired = [{pair[side] for pair in both} for side in (0, 1)]
    return Comparison(both, [row for row in left_rows if row not in paired[0]],
                      [row for row in right_rows if row not in paired[1]])


def pair_html(left: Result, right: Result, comparison: Comparison) -> tuple[str, str, str, str]:
    """Summary, boxes of the left and of the right model, and a table of the differences."""
    both, only_left, only_right = comparison
    keys = [{pair[side]: f'm{number}' for number, pair in enumerate(both)} for side in (0, 1)]
    stages = []
    for side, (result, only, prefix) in enumerate(((left, only_left, 'l'), (right, only_right, 'r'))):
        rows = sorted([*keys[side], *only])
        kinds = dict.fromkeys(keys[side], 'shared') | dict.fromkeys(only, 'only')
        partners = keys[side] | {row: f'{prefix}{row}' for row in only}
        stages.append(stage_html(result, rows, kinds, partners))
    summary = (f'<p class="summary"><b>{len(both)} in both, {len(only_left)} only left, {len(only_right)} only right'
               f'</b> (thick and dashed). Left {left.seconds:.2f} s, right {right.seconds:.2f} s.</p>')
    lines = [(side, prefix, result, row) for side, prefix, result, only in (
        ('left', 'l', left, only_left), ('right', 'r', right, only_right)) for row in only]
    return summary, *stages, _differences_html(lines)


def _differences_html(lines: Sequence[tuple[str, str, Result, int]]) -> str:
    if not lines:
        return '<p>No difference.</p>'
    body = ''.join(
        f'<tr data-keys="{prefix}{row}" data-shows="{prefix}{row}" data-box="{row}"><td>only {side}</td>'
        f'<td>{escape(result.detections.names[row])}</td><td>{result.detections.scores[row]:.3f}</td>'
        + ''.join(f'<td>{value:.0f}</td>' for value in result.detections.boxes[row].tolist()) + '</tr>'
        for side, prefix, result, row in lines)
    head = ''.join(f'<th>{name}</th>' for name in ('seen', 'what', 'score', 'left', 'top', 'right', 'bottom'))
    return f'<div class="scroll"><table class="boxes"><tr>{head}</tr>{body}</table></div>'
