"""Annotation files of MDETR from GQA: one entry for each question, with the boxes of the objects that it names.

https://arxiv.org/abs/2104.12763, appendix; https://arxiv.org/abs/1902.09506
"""
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from msgspec import UNSET, Raw, Struct, UnsetType, field, json
from msgspec.structs import astuple

from ...text.spans import Spans, consolidate_spans, word_span
from ..grounding_checks import displayed_size
from .grounding_file import Pair, box_row, image_row, write_json
from .image_lists import Size, Sizes
from .json_rows import Box, JsonRows, Number, Row, Side, decode, row_type

FORMS = ('finetune', 'pretrain')
VOCABULARY_FILES = ('gqa_answer2id.json', 'gqa_answer2id_by_type.json')
AnswerType = Literal['obj', 'attr', 'rel', 'global', 'cat']
UNKNOWN = 'unknown'  # stands for answers that are not in a table
_QUESTION_WORD = re.compile(r'\b(?:[Ww]hat|[Ww]ho|[Ww]here)\b')
_SELECTED = re.compile(r'(.*) \((?!-\))([^()]*)\)')  # 'dogs (1,2)'; not 'scene', nor 'lamp (-)', which does not exist

_ObjectRow = row_type('_ObjectRow', x=Number, y=Number, w=Number, h=Number)
_Types = row_type('_Types', semantic=AnswerType)
_Step = row_type('_Step', operation=str, argument=str)


class _SceneRow(Struct):
    objects: dict[str, Raw]
    height: Side | None = None
    width: Side | None = None


class _Annotations(Struct):
    """Ids of objects, separated by commas, by the words that name them."""
    question: dict[str, str] = {}
    answer: dict[str, str] = {}


class Question(Struct):
    """A question as files have it."""
    text: str = field(name='question')
    image_id: str = field(name='imageId')
    answer: str | UnsetType = UNSET
    types: _Types | UnsetType = UNSET
    annotations: _Annotations | None = None
    semantic: list[_Step] | None = None


class Scenes(NamedTuple):
    """Scene graphs by the id of their image: boxes of objects by their id, and (height, width) where they tell it."""
    boxes: dict[str, dict[str, Box]]
    sizes: Sizes


def question_files(folder: Path, split: str, subset: str) -> list[Path]:
    """The files of questions, as GQA names them, at least one: `train_all_questions` is a folder of ten of them."""
    name = f'{split}_{subset}_questions'
    if (folder / f'{name}.json').is_file():
        return [folder / f'{name}.json']
    files = sorted((folder / name).glob('*.json'), key=lambda path: (len(path.name), path.name))
    if not files:
        raise ValueError(f'{folder} has no {name}.json, and no folder {name} with json files')
    return files


def read_questions(path: Path) -> JsonRows[Question]:
    """The questions of a file by their ids."""
    return JsonRows(path, Question, name='question {}')


def read_scenes(path: Path) -> Scenes:
    """The scene graphs of a file such as `train_sceneGraphs.json`; a ValueError if an object has no box."""
    decoder, scenes = json.Decoder(_ObjectRow), Scenes({}, {})
    for location, image_id, row in JsonRows(path, _SceneRow, name='image {}'):
        scenes.boxes[image_id] = {key: astuple(decode(raw, decoder, f'{location}, object {key}'))
                                  for key, raw in row.objects.items()}
        if row.height and row.width:
            scenes.sizes[image_id] = row.height, row.width
    return scenes


def gqa_pairs(questions: Iterable[Row[Question]], boxes: Mapping[str, Mapping[str, Box]], sizes: Sizes, counts: Counter,
              *, images: Path | None = None, form: str = 'finetune') -> Iterator[Pair]:
    """Images with their questions, and boxes, or none. A ValueError names a broken question, or one without a size.

    Args:
        boxes: Of objects by the id of the image and that of the object.
        sizes: (height, width) of images by their id; others are read from the folder `images`.
        counts: Gets how objects were found, and what was left out.
        form: 'finetune' for question answering, or 'pretrain' without answers, types and ids of questions.
    """
    for location, question_id, question in questions:
        size = sizes.get(question.image_id) or _size_of_file(question.image_id, images, location)
        image = image_row(f'{question.image_id}.jpg', size, question.text, 'gqa', original_id=question.image_id)
        if form == 'finetune':
            image['questionId'] = question_id
            if question.types is not UNSET:
                image['question_type'] = question.types.semantic
            if question.answer is not UNSET:
                image['answer'] = question.answer
        rows = []
        for key, spans in object_spans(question, counts, location).items():
            box = boxes.get(question.image_id, {}).get(key)
            spans = consolidate_spans(spans, question.text)
            if box is None:
                counts['left out: objects that are not in the scene graph'] += 1
            elif not spans:
                counts['left out: objects named by nothing but punctuation'] += 1
            else:
                rows.append(box_row(box, spans))
        yield image, rows


def _size_of_file(image_id: str, images: Path | None, location: str) -> Size:
    if images is None:
        raise ValueError(f'{location}: there is no size of image {image_id}: give image_data.json or the folder of '
                         'images')
    try:
        return displayed_size(images / f'{image_id}.jpg')[::-1]
    except OSError as error:
        raise ValueError(f'the size of {images / image_id}.jpg cannot be read: {error}') from error


def object_spans(question: Question, counts: Counter, location: str) -> dict[str, Spans]:
    """The spans of each object: by the annotated words, else by the program, else by the question word.

    An object that the program selects without an annotation is looked for by its name. As in the published files, one
    whose name does not occur is tied to the first letters of the question, as many as its name has, less one.
    """
    annotations = question.annotations or _Annotations()
    spans: dict[str, Spans] = {}
    for words, ids in annotations.question.items():
        try:
            span = word_span(words, question.text)
        except ValueError as error:
            raise ValueError(f'{location}: {error}') from error
        for key in _ids(ids):
            spans.setdefault(key, []).append(span)
    for step in question.semantic or ():
        selected = step.operation == 'select' and _SELECTED.fullmatch(step.argument)
        for key in _ids(selected[2]) if selected else ():
            if key not in spans:
                begin = question.text.find(selected[1])  # -1 where there is none: the published files go on with that
                spans[key] = [[begin, begin + len(selected[1])]]
                counts['objects found by name' if begin >= 0 else 'objects whose name does not occur'] += 1
    question_word = _QUESTION_WORD.search(question.text)
    for key in dict.fromkeys(key for ids in annotations.answer.values() for key in _ids(ids) if key not in spans):
        if question_word:
            spans[key] = [list(question_word.span())]
            counts['objects of answers, tied to the question word'] += 1
        else:
            counts['left out: objects of answers to questions without What, Who or Where'] += 1
    return spans


def write_vocabulary(questions: Iterable[Row[Question]], folder: Path, min_count: int = 1) -> list[dict]:
    """Write and return the tables of `VOCABULARY_FILES`: numbers of all answers, and of the answers of each type.

    They are in alphabetical order, the last is 'unknown'. The published files fit the published checkpoints; these are
    for training on other questions. Answers of a type that stand fewer than `min_count` times in the files are left
    out. A question without answer or type is a ValueError.
    """
    counts = {kind: Counter() for kind in get_args(AnswerType)}
    for location, _, question in questions:
        if question.answer is UNSET or question.types is UNSET:
            raise ValueError(f'{location} has no answer, or no types')
        counts[question.types.semantic][question.answer] += 1
    answers = {f'answer_{kind}': {answer for answer, count in of_kind.items() if count >= min_count}
               for kind, of_kind in counts.items()}
    tables = [_numbered(set().union(*answers.values())),
              {name: _numbered(of_kind) for name, of_kind in answers.items()}]
    for name, table in zip(VOCABULARY_FILES, tables):
        write_json(folder / name, table)
    return tables


def _numbered(answers: set[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate([*sorted(answers - {UNKNOWN}), UNKNOWN])}


def _ids(ids: str) -> list[str]:
    return [key.strip() for key in ids.split(',')]
