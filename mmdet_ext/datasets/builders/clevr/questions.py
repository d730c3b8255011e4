"""Annotation files of MDETR from CLEVR and CLEVR-Ref+: the boxes of the objects that a question goes through.

https://arxiv.org/abs/2104.12763, section 4.2.4; https://arxiv.org/abs/1612.06890; https://arxiv.org/abs/1901.00850
"""
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct, field

from ...questions import CLEVR_SIZE, with_clevr_images
from ..grounding_file import Pair, image_row
from ..json_rows import Id, JsonRows, Row, read_top_level
from .phrases import object_spans
from .programs import Step, UnknownFunctionError, as_answer, run_program
from .scenes import ClevrScene


class _Row(Struct, kw_only=True):
    image_index: int
    image_filename: str
    program: Annotated[list[Step], Meta(min_length=1)] | None = None
    answer: str | None = None


class Question(_Row, kw_only=True):
    """A question of CLEVR as files have it."""
    text: str = field(name='question')
    index: Id | None = field(name='question_index', default=None)


class Expression(_Row, kw_only=True):
    """A referring expression of CLEVR-Ref+ as files have it."""
    text: str = field(name='refexp')
    index: Id | None = field(name='refexp_index', default=None)


def read_questions(path: Path) -> JsonRows[Question | Expression]:
    """The rows of `CLEVR_*_questions.json`, or of a file of CLEVR-Ref+ with referring expressions."""
    tables = read_top_level(path)
    for table, type_ in dict(questions=Question, refexps=Expression).items():
        if table in tables:
            return JsonRows(path, type_, table, f'{table[:-1]} {{}}')
    raise ValueError(f'{path} has neither questions nor refexps')


def clevr_pairs(rows: Iterable[Row[Question | Expression]], scenes: Mapping[int, ClevrScene], counts: Counter, *,
                medium: bool = False, size: tuple[int, int] = CLEVR_SIZE) -> Iterator[Pair]:
    """Images with their questions, and boxes with `tokens` in the place of `tokens_positive`.

    Boxes of expressions have `isfinal`, which is 1 for what the whole expression refers to.

    Args:
        rows: Questions or expressions.
        scenes: By `image_index`. Questions without a program, as those of test splits, need none, and get no boxes.
        counts: Gets how many have no boxes, or are left out, for which reason.
        medium: Leave out the questions that name an object twice, as in the first stage of the published training.
        size: (width, height) of the images.

    Raises:
        ValueError: If a program is broken, its scene is missing, or it gives another answer.
    """
    for location, _, row in rows:
        boxes = []
        if row.program is None:
            counts['captions without program'] += 1
        else:
            try:
                boxes = _boxes(row, scenes, medium, counts, location)
            except _NotFollowedError as reason:
                # a file of all questions has also those whose boxes are not known
                is_kept = isinstance(row, Question) and not medium
                counts[f'{"kept without boxes" if is_kept else "left out"}: {reason}'] += 1
                boxes = [] if is_kept else None
        if boxes is not None:
            yield _image(row, size, location), boxes


class _NotFollowedError(Exception):
    """The words that name the objects of a question cannot be told."""


def _image(row: Question | Expression, size: tuple[int, int], location: str) -> dict:
    is_question = isinstance(row, Question)
    image = image_row(row.image_filename, size[::-1], row.text, 'clevr' if is_question else 'clevrref',
                      original_id=row.image_index)
    if row.index is not None:
        image['question_id'] = row.index
    if is_question:
        program = row.program and [dict(function=row.program[-1].function)]
        question = dict(question=row.text, image_filename=row.image_filename, answer=row.answer, program=program)
        known = with_clevr_images(dict(questions=[question]), location)['images'][0]
        image |= {key: known[key] for key in ('answer', 'question_kind') if known[key] is not None}
    return image


def _boxes(row: Question | Expression, scenes: Mapping[int, ClevrScene], medium: bool, counts: Counter,
           location: str) -> list[dict] | None:
    """The boxes of a question that has a program, None if it is left out."""
    scene = scenes.get(row.image_index)
    if scene is None:
        raise ValueError(f'{location}: there is no scene with its image_index {row.image_index}')
    try:
        results = run_program(row.program, scene.row, location)
    except UnknownFunctionError as error:
        raise _NotFollowedError('programs with functions that CLEVR does not have') from error
    if isinstance(row, Question) and row.answer not in (None, as_answer(results[-1])):
        raise ValueError(f'{location}: the answer is {row.answer!r}, and its program gives {as_answer(results[-1])!r}: '
                         'scenes and questions do not belong together')
    spans = object_spans(row.text, row.program, results)
    if spans is None:
        raise _NotFollowedError('words that do not follow the program')
    if medium and any(len(mentions) > 1 for mentions in spans.values()):
        counts['left out: an object is named twice'] += 1
        return None
    is_final = {}
    if isinstance(row, Expression):
        if not isinstance(results[-1], tuple):
            raise ValueError(f'{location}: its program ends with {results[-1]!r}, and should find objects')
        is_final = {number: dict(isfinal=int(number in results[-1])) for number in spans}
    counts['left out: objects without a box'] += sum(scene.boxes[number] is None for number in spans)
    return [dict(area=box[2] * box[3], iscrowd=0, category_id=1, bbox=list(box), tokens=spans[number])
            | is_final.get(number, {}) for number in spans if (box := scene.boxes[number]) is not None]
