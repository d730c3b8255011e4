"""Annotation files of MDETR from CLEVR and CLEVR-Ref+: the boxes of the objects that a question goes through.

https://arxiv.org/abs/2104.12763, section 4.2.4; https://arxiv.org/abs/1612.06890; https://arxiv.org/abs/1901.00850
"""
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from ..questions import CLEVR_SIZE, with_clevr_images
from .clevr_mentions import object_spans
from .clevr_programs import UnknownFunction, as_answer, read_program, run_program
from .clevr_scenes import ClevrScene
from .grounding_file import write_grounding
from .json_stream import first_key, stream_items

KINDS = ('questions', 'refexps')


def kind_of(path: Path) -> str:
    """Which of `KINDS` a file holds."""
    return first_key(path, KINDS)


def build_clevr(path: Path, out: Path, scenes: Mapping[int, ClevrScene], *, kind: str = 'questions',
                medium: bool = False, size: tuple[int, int] = CLEVR_SIZE,
                on_bytes: Callable[[int], object] = lambda count: None) -> Counter:
    """Write the annotation file of a split, with `tokens` in the place of `tokens_positive`.

    Args:
        path: `CLEVR_*_questions.json`, or referring expressions of CLEVR-Ref+; read one row at a time.
        out: File to write.
        scenes: By `image_index`. Questions without a program, as those of test splits, need none, and have no boxes.
        kind: 'questions', or 'refexps': boxes then have `isfinal`, 1 for what the whole expression refers to.
        medium: Leave out the questions that name an object twice, as in the first stage of the published training.
        size: (width, height) of the pictures.
        on_bytes: Called with the number of bytes of each piece that was read.

    Returns:
        How many there are of what.

    Raises:
        ValueError: If a question or its program is broken, its scene is missing, or its program gives another answer.
    """
    if kind not in KINDS:
        raise ValueError(f'kind must be one of {KINDS}, got {kind!r}')
    counts = Counter()
    with write_grounding(out) as file:
        for place, row in enumerate(stream_items(path, kind, on_bytes=on_bytes)):
            where = f'{path}: {kind[:-1]} {place}'
            if not isinstance(row, Mapping):
                raise ValueError(f'{where} should be a table, got {row!r}')
            image = _image(row, kind, size, where)
            rows = _rows(row, image['caption'], scenes, kind, medium, counts, where)
            if rows is not None:
                counts['captions without boxes'] += not rows
                file.add(image, rows)
        counts.update(captions=file.num_images, boxes=file.num_annotations)
    return counts


def _image(row: Mapping, kind: str, size: tuple[int, int], where: str) -> dict:
    """The entry of a question."""
    key = 'question' if kind == 'questions' else 'refexp'
    for name, type_ in ((key, str), ('image_filename', str), ('image_index', int)):
        if type(row.get(name)) is not type_:
            raise ValueError(f'{where}: {name} should be a {type_.__name__}, got {row.get(name)!r}')
    width, height = size
    image = dict(file_name=row['image_filename'], height=height, width=width, original_id=row['image_index'],
                 caption=row[key], tokens_negative=[[0, len(row[key])]],
                 dataset_name='clevr' if kind == 'questions' else 'clevrref')
    if f'{key}_index' in row:
        image['question_id'] = row[f'{key}_index']
    if kind == 'questions':
        if not isinstance(row.get('answer'), str | None):
            raise ValueError(f'{where}: answer should be a text, got {row["answer"]!r}')
        known = with_clevr_images(dict(questions=[row]), where)['images'][0]
        image |= {name: known[name] for name in ('answer', 'question_kind') if known[name] is not None}
    return image


def _rows(row: Mapping, caption: str, scenes: Mapping[int, ClevrScene], kind: str, medium: bool, counts: Counter,
          where: str) -> list[dict] | None:
    """The boxes of a question, None if it is left out."""
    if 'program' not in row:
        counts['captions without program'] += 1
        return []
    scene = scenes.get(row['image_index'])
    if scene is None:
        raise ValueError(f'{where}: there is no scene with its image_index {row["image_index"]}')
    steps = read_program(row['program'], where)
    whole = kind == 'questions' and not medium  # has every question, if need be without boxes
    try:
        results = run_program(steps, scene.objects, where)
    except UnknownFunction:
        return _without_boxes('programs with functions that CLEVR does not have', counts, whole)
    if kind == 'questions' and row.get('answer') not in (None, as_answer(results[-1])):
        raise ValueError(f'{where}: the answer is {row["answer"]!r}, and its program gives {as_answer(results[-1])!r}: '
                         'scenes and questions do not belong together')
    spans = object_spans(caption, steps, results)
    if spans is None:
        return _without_boxes('words that do not follow the program', counts, whole)
    if medium and any(len(own) > 1 for own in spans.values()):
        counts['left out: an object is named twice'] += 1
        return None
    if kind == 'refexps' and not isinstance(results[-1], tuple):
        raise ValueError(f'{where}: its program ends with {results[-1]!r}, and should find objects')
    final = set(results[-1]) if kind == 'refexps' else None
    rows = []
    for number, own in spans.items():
        box = scene.boxes[number]
        if box is None:
            counts['left out: objects without a box'] += 1
            continue
        found = dict(area=box[2] * box[3], iscrowd=0, category_id=1, bbox=list(box), tokens=own)
        rows.append(found if final is None else found | dict(isfinal=int(number in final)))
    return rows


def _without_boxes(reason: str, counts: Counter, whole: bool) -> list[dict] | None:
    """No boxes for a file of whole questions, no caption in others; counted either way."""
    counts[f'kept without boxes: {reason}' if whole else f'left out: {reason}'] += 1
    return [] if whole else None
