"""Answers as words and as indices: the published lists of GQA, and those that follow from the scenes of CLEVR."""
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path

from mmdet.structures import DetDataSample

Tables = Mapping[str, Mapping[str, int]]  # for each type of question the index of each answer
UNKNOWN = 'unknown'


class AnswerVocabulary:
    """The answers of each type of question and their indices from 0.

    Args:
        load: Function that returns the tables; called when one is first needed.
        origin: Where the tables come from, for errors.
    """

    def __init__(self, load: Callable[[], Tables], origin: str) -> None:
        self._load = load
        self.origin = origin

    @cached_property
    def tables(self) -> Tables:
        return self._load()

    @cached_property
    def names(self) -> Mapping[str, Sequence[str]]:
        """The answers of each type, in the order of their indices."""
        return {kind: sorted(table, key=table.get) for kind, table in self.tables.items()}

    def index(self, kind: str, sample: DetDataSample) -> int:
        """The index of a sample's answer in the table of a type; the index of "unknown" if the answer is not in it.

        Raises:
            ValueError: If the table has neither of them, or the sample has no answer.
        """
        answer, table = sample.metainfo.get('answer'), self.tables[kind]
        if not isinstance(answer, str):
            raise ValueError(f'{name_of(sample)}: training needs the answer, `answer` in the meta information of the '
                             f'sample, got {answer!r}')
        if answer in table:
            return table[answer]
        if UNKNOWN not in table:
            raise ValueError(f'{name_of(sample)}: the answer {answer!r} is none of the {len(table)} of type {kind!r} '
                             f'in {self.origin} ({_some(table)}), and {UNKNOWN!r} is not among them')
        return table[UNKNOWN]


def name_of(sample: DetDataSample) -> str:
    """The image and the question of a sample, for errors."""
    question = sample.metainfo.get('question_id')
    return sample.metainfo.get('img_path', 'an image') + ('' if question is None else f', question {question}')


def clevr_answers(attributes: Sequence[str], max_count: int) -> Tables:
    """CLEVR's types: 'binary' for yes or no, 'reg' for counts up to `max_count`, 'attr' for attributes.

    Raises:
        ValueError: If there is no attribute, or one twice, or `max_count` is less than 1.
    """
    if not attributes or len(set(attributes)) < len(attributes):
        raise ValueError(f'attributes should be at least one name, and none twice, got {tuple(attributes)}')
    if max_count < 1:
        raise ValueError(f'max_count should be at least 1, got {max_count}')
    lists = dict(binary=('no', 'yes'), reg=[str(count) for count in range(max_count + 1)], attr=attributes)
    return {kind: {answer: index for index, answer in enumerate(answers)} for kind, answers in lists.items()}


def gqa_answers(vocabulary: str | PathLike | Mapping | None, sizes: Mapping[str, int]) -> Tables:
    """The answers of each type in `sizes` from a published file, or from its content.

    Args:
        vocabulary: `gqa_answer2id_by_type.json`, with a table of answers for each type under its name, with or without
            `answer_` before it; or, if `sizes` has the one type 'total', `gqa_answer2id.json`, one table.
        sizes: How many answers each type has.

    Raises:
        ValueError: For a file that is missing or of another form, or a table of another size.
    """
    origin = gqa_origin(vocabulary)
    content = _read(vocabulary) if isinstance(vocabulary, (str, PathLike)) else vocabulary
    if content is None:
        raise ValueError('GQAAnswerHead needs `vocabulary`, the path of a file like gqa_answer2id_by_type.json, to '
                         'turn answers into numbers and back, got None')
    if not isinstance(content, Mapping):
        raise ValueError(f'{origin} should be a table of answers, got {type(content).__name__}')
    if set(sizes) == {'total'}:
        tables = dict(total=content)
    else:
        tables = {kind: content.get(f'answer_{kind}', content.get(kind)) for kind in sizes}
    for kind, table in tables.items():
        _check(kind, table, sizes[kind], origin)
    return tables


def gqa_origin(vocabulary: str | PathLike | Mapping | None) -> str:
    """The name of the vocabulary in errors."""
    return f'vocabulary={vocabulary}' if isinstance(vocabulary, (str, PathLike)) else '`vocabulary`'


def _read(path: str | PathLike) -> object:
    try:
        return json.loads(Path(path).read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise ValueError(f'vocabulary={path} cannot be read as json ({error}): it should be the path of a file like '
                         'gqa_answer2id_by_type.json') from error


def _check(kind: str, table: object, size: int, origin: str) -> None:
    if not isinstance(table, Mapping) or not all(type(number) is int for number in table.values()):
        raise ValueError(f'{origin} has no table of answers and their numbers for the type {kind!r}: files by type are '
                         'for split=True, those of one table for split=False')
    if len(table) != size:
        raise ValueError(f'{origin} has {len(table)} answers of type {kind!r}, num_answers says {size}')
    if sorted(table.values()) != list(range(size)):
        raise ValueError(f'{origin}: the numbers of the {size} answers of type {kind!r} should be 0 to {size - 1}, '
                         'each once')


def _some(table: Mapping[str, int]) -> str:
    return ', '.join(list(table)[:5]) + (', ...' if len(table) > 5 else '')
