"""Questions of GQA (https://arxiv.org/abs/1902.09506) and CLEVR (https://arxiv.org/abs/1612.06890) in their files."""
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .annotation_file import ID, check_rows
from .annotation_json import load_json

GQA_TYPES = ('obj', 'attr', 'rel', 'global', 'cat')
CLEVR_TYPES = ('binary', 'attr', 'reg')
# (width, height) in pixels of every image of CLEVR; its question files do not say it.
CLEVR_SIZE = (480, 320)
# The last function of a program of CLEVR, and the kind of question that it ends; those of attributes go by their begin.
_KINDS = dict(exist='exist', count='count', equal_integer='compare_number', less_than='compare_number',
              greater_than='compare_number')
_KIND_PREFIXES = dict(query_='query_attribute', equal_='compare_attribute')


class Question(NamedTuple):
    """A question of a file.

    Args:
        id: Unique in the file.
        answer: None in splits without answers.
        type: Head that answers it, one of `GQA_TYPES` or `CLEVR_TYPES`; None where the file does not tell.
        kind: What is asked, such as 'count' or 'compare_number'; None if unknown.
    """
    id: int | str
    answer: str | None
    type: str | None
    kind: str | None

    def fields(self) -> dict:
        """The fields under the names that data samples use, without those that are None."""
        known = dict(question_id=self.id, answer=self.answer, question_type=self.type, question_kind=self.kind)
        return {key: value for key, value in known.items() if value is not None}


def gqa_question(row: Mapping, row_name: str) -> Question:
    """The question in an entry of `images` of a file finetune_gqa_*.json.

    Args:
        row: The entry, with `questionId`; `answer` and `question_type` are absent or None in splits without answers.
        row_name: What errors call the row.

    Raises:
        ValueError: If a field is missing or is not what it should be.
    """
    if row.get('questionId') is None:
        raise ValueError(f'{row_name} has no questionId')
    answer = _answer(row, row_name)
    kind = row.get('question_type')
    if kind is None and answer is not None:
        raise ValueError(f'{row_name} has the answer {answer!r} and no question_type')
    if kind not in (None, *GQA_TYPES):
        raise ValueError(f'{row_name}: question_type should be one of {", ".join(GQA_TYPES)}, got {kind!r}')
    return Question(row['questionId'], answer, kind, None)


def clevr_question(row: Mapping, row_name: str) -> Question:
    """The question in an entry of `images` of a CLEVR or Shapes file. Its id is `question_id` or, without it, the
    image's.

    The type follows from the answer.

    Raises:
        ValueError: If a field is not what it should be, or a `question_type` is not that of the answer.
    """
    answer = _answer(row, row_name)
    kind = None if answer is None else clevr_type(answer)
    file_type = row.get('question_type')
    if file_type not in (None, *CLEVR_TYPES):
        raise ValueError(f'{row_name}: question_type should be one of {", ".join(CLEVR_TYPES)}, got {file_type!r}')
    if None not in (file_type, kind) and file_type != kind:
        raise ValueError(f'{row_name}: question_type is {file_type!r}, and the answer {answer!r} is of the type '
                         f'{kind!r}')
    return Question(row.get('question_id', row['id']), answer, kind or file_type, row.get('question_kind'))


def clevr_type(answer: str) -> str:
    """'yes', 'no' -> 'binary'; '0', '12' -> 'reg'; 'red', 'cube', ... -> 'attr'."""
    if answer in ('yes', 'no'):
        return 'binary'
    return 'reg' if answer.isdecimal() else 'attr'


def with_clevr_images(content: object, file: str) -> object:
    """The content of a question file of CLEVR or CLEVR-Humans in MDETR's format; any other content is not changed.

    The id is `question_index`, or the place in the file where one has none.

    Raises:
        ValueError: If a question has no text or no image.
    """
    if not isinstance(content, dict) or 'images' in content or not isinstance(content.get('questions'), list):
        return content
    images = []
    for index, row in enumerate(content['questions']):
        if missing := [key for key in ('question', 'image_filename') if not isinstance(row.get(key), str)]:
            raise ValueError(f'{file}: question {index} has no {" and no ".join(missing)}')
        image = dict(id=row.get('question_index', index), file_name=row['image_filename'], width=CLEVR_SIZE[0],
                     height=CLEVR_SIZE[1], caption=row['question'], dataset_name='clevr', answer=row.get('answer'),
                     question_kind=program_kind(row.get('program')))
        images.append(image)
    return dict(images=images, annotations=[])


def read_gqa_questions(file: str) -> dict[int | str, Question]:
    """All questions by their ids, in the file's order."""
    rows = question_rows(load_json(file), file)
    return _by_id([gqa_question(row, f'{file}: image {row.get("id")}') for row in rows], file)


def read_clevr_questions(file: str) -> dict[int | str, Question]:
    """All questions by their ids, in the file's order; from CLEVR's own question files too."""
    rows = question_rows(with_clevr_images(load_json(file), file), file)
    return _by_id([clevr_question(row, f'{file}: image {row.get("id")}') for row in rows], file)


def question_rows(content: object, file: str) -> list[dict]:
    """The images of a file of questions, each of which is a question."""
    if not (isinstance(content, dict) and content.get('images')):
        raise ValueError(f"{file}: 'images' is missing or empty: it is no file of questions")
    check_rows(content, 'images', file, (ID, ))
    return content['images']


def check_question_ids(ids: Sequence[int | str], file: str) -> None:
    """Raise a ValueError if two questions have the same id."""
    seen = set()
    for id_ in ids:
        if id_ in seen:
            raise ValueError(f'{file}: two questions have the id {id_!r}')
        seen.add(id_)


def _by_id(questions: Sequence[Question], file: str) -> dict[int | str, Question]:
    check_question_ids([question.id for question in questions], file)
    return {question.id: question for question in questions}


def _answer(row: Mapping, row_name: str) -> str | None:
    answer = row.get('answer')
    if answer is not None and not (isinstance(answer, str) and answer):
        raise ValueError(f'{row_name}: answer should be a text, or absent where a split has none, got {answer!r}')
    return answer


def program_kind(program: object) -> str | None:
    """What kind of question a program answers, None if there is none."""
    if not program:
        return None
    last = program[-1].get('function', program[-1].get('type', ''))
    begun = [kind for prefix, kind in _KIND_PREFIXES.items() if last.startswith(prefix)]
    return _KINDS.get(last, begun[0] if begun else None)
