"""Annotation files of MDETR from CLEVR and CLEVR-Ref+: the boxes of the objects that a question goes through.

https://arxiv.org/abs/2104.12763, section 4.2.4; https://arxiv.org/abs/1612.06890; https://arxiv.org/abs/1901.00850
"""
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct, field

from ...questions import CLEVR_SIZE, program_kind
from ..grounding_file import Pair, box_row, image_row
from ..json_rows import Id, JsonRows, Row, read_top_level
from .phrases import object_spans
from .scenes import Boxes, NotFollowedError, SceneRow, Step, run_program


class Question(Struct, kw_only=True):
    """A question of CLEVR as files have it."""
    image_index: int
    image_filename: str
    text: str = field(name='question')
    index: Id | None = field(name='question_index', default=None)
    program: Annotated[list[Step], Meta(min_length=1)] | None = None
    answer: str | None = None


class Expression(Question, kw_only=True):
    """A referring expression of CLEVR-Ref+ as files have it."""
    text: str = field(name='refexp')
    index: Id | None = field(name='refexp_index', default=None)


def read_questions(path: Path) -> JsonRows[Question]:
    """The rows of `CLEVR_*_questions.json`, or of a file of CLEVR-Ref+ with referring expressions."""
    tables = read_top_level(path)
    for table, type_ in dict(questions=Question, refexps=Expression).items():
        if table in tables:
            return JsonRows(path, type_, table, f'{table[:-1]} {{}}')
    raise ValueError(f'{path} has neither questions nor refexps')


def clevr_pairs(rows: Iterable[Row[Question]], scenes: Mapping[int, tuple[SceneRow, Boxes]],
                counts: Counter, *, medium: bool = False, size: tuple[int, int] = CLEVR_SIZE) -> Iterator[Pair]:
    """Images of a size (width, height) with their questions, and boxes with `tokens` in place of `tokens_positive`.

    Boxes of expressions have `isfinal`, which is 1 for what the whole expression refers to. Questions without a
    program, as those of test splits, need no scene, and get no boxes. `medium` leaves out the questions that name an
    object twice, as in the first stage of the published training. `counts` gets how many have no boxes, or are left
    out, for which reason.

    Raises:
        ValueError: If a program is broken, its scene is missing, or it gives another answer.
    """
    for location, _, row in rows:
        boxes, is_question = [], not isinstance(row, Expression)
        if row.program is None:
            counts['captions without program'] += 1
        else:
            try:
                boxes = _boxes(row, scenes, medium, counts, location)
            except NotFollowedError as reason:
                # a file of all questions has also those whose boxes are not known
                is_kept = is_question and not medium
                counts[f'{"kept without boxes" if is_kept else "left out"}: {reason}'] += 1
                if not is_kept:
                    continue
        fields = dict(original_id=row.image_index, question_id=row.index)
        if is_question:
            program = row.program and [dict(function=row.program[-1].function)]
            fields |= dict(answer=row.answer, question_kind=program_kind(program))
        yield image_row(row.image_filename, size[::-1], row.text, 'clevr' if is_question else 'clevrref',
                        **{key: value for key, value in fields.items() if value is not None}), boxes


def _boxes(row: Question, scenes: Mapping[int, tuple[SceneRow, Boxes]], medium: bool, counts: Counter,
           location: str) -> list[dict]:
    """The boxes of a question that has a program; a NotFollowedError says why they cannot be told, or are not asked."""
    if row.image_index not in scenes:
        raise ValueError(f'{location}: there is no scene with its image_index {row.image_index}')
    scene, boxes = scenes[row.image_index]
    results = run_program(row.program, scene, location)
    result, is_question = results[-1], not isinstance(row, Expression)
    answer = {True: 'yes', False: 'no'}[result] if isinstance(result, bool) else str(result)
    if is_question and row.answer not in (None, answer):
        raise ValueError(f'{location}: the answer is {row.answer!r}, and its program gives {answer!r}: '
                         'scenes and questions do not belong together')
    spans = object_spans(row.text, row.program, results)
    if medium and any(len(mentions) > 1 for mentions in spans.values()):
        raise NotFollowedError('an object is named twice')
    if not is_question and not isinstance(result, tuple):
        raise ValueError(f'{location}: its program ends with {result!r}, and should find objects')
    counts['left out: objects without a box'] += sum(boxes[number] is None for number in spans)
    return [box_row(boxes[number], mentions, spans_key='tokens',
                    **({} if is_question else dict(isfinal=int(number in result))))
            for number, mentions in spans.items() if boxes[number] is not None]
