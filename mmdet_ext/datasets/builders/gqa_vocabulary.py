"""Numbers for the answers of GQA, in the form of the published `gqa_answer2id.json` and `gqa_answer2id_by_type.json`.

The published files fit the published checkpoints; these are for training on other questions.
"""
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ...files import replace_file
from .grounding_file import compact_json
from .json_stream import stream_members

TYPES = ('obj', 'attr', 'rel', 'global', 'cat')
# Stands for answers that are not in a table.
UNKNOWN = 'unknown'
VOCABULARY_FILES = ('gqa_answer2id.json', 'gqa_answer2id_by_type.json')


class Vocabulary(NamedTuple):
    """Number of each answer: of all types together, and of each type; the last of each table is 'unknown'."""
    total: dict[str, int]
    by_type: dict[str, dict[str, int]]


def gqa_vocabulary(files: Sequence[Path], *, min_count: int = 1,
                   on_bytes: Callable[[int], object] = lambda count: None) -> Vocabulary:
    """The answers of files of questions in alphabetical order.

    Args:
        files: As GQA has them, with `answer` and `types.semantic`; read one question at a time.
        min_count: Answers of a type that stand fewer times in the files are left out.
        on_bytes: Called with the number of bytes of each piece that was read.

    Raises:
        ValueError: If a question has no answer, or is of another type than GQA's five.
    """
    if min_count < 1:
        raise ValueError(f'min_count should be at least 1, got {min_count}')
    counts = {kind: Counter() for kind in TYPES}
    for path in files:
        for question_id, question in stream_members(path, on_bytes=on_bytes):
            answer = question.get('answer') if isinstance(question, dict) else None
            if not isinstance(answer, str):
                raise ValueError(f'{path}: question {question_id}: answer should be a text, got {answer!r}')
            types = question.get('types')
            kind = types.get('semantic') if isinstance(types, dict) else None
            if kind not in TYPES:
                raise ValueError(f'{path}: question {question_id}: types.semantic should be one of {", ".join(TYPES)}, '
                                 f'got {kind!r}')
            counts[kind][answer] += 1
    kept = {kind: [answer for answer, count in own.items() if count >= min_count] for kind, own in counts.items()}
    return Vocabulary(_numbered(answer for own in kept.values() for answer in own),
                      {f'answer_{kind}': _numbered(own) for kind, own in kept.items()})


def write_vocabulary(vocabulary: Vocabulary, folder: Path) -> list[Path]:
    """Write both files, named `VOCABULARY_FILES`."""
    paths = [folder / name for name in VOCABULARY_FILES]
    for path, content in zip(paths, vocabulary, strict=True):
        with replace_file(path) as file:
            file.write(compact_json(content) + b'\n')
    return paths


def _numbered(answers: Iterable[str]) -> dict[str, int]:
    names = [*sorted(set(answers) - {UNKNOWN}), UNKNOWN]
    return {name: number for number, name in enumerate(names)}
