"""Which words of a question of GQA name which objects (https://arxiv.org/abs/1902.09506)."""
import re
from collections import Counter
from collections.abc import Iterator, Mapping

_QUESTION_WORD = re.compile(r'\b(?:[Ww]hat|[Ww]ho|[Ww]here)\b')
_SELECTED = re.compile(r'(.*) \(([^()]*)\)')
_WORDS = re.compile(r'(\d+)(?::(\d+))?')


def object_spans(question: Mapping, caption: str, counts: Counter, where: str) -> dict[str, list[list[int]]]:
    """The spans [begin, end) of each object: by the annotated words, else by the program, else by the question word.

    An object that the program selects without an annotation is looked for by its name. As in the published files, one
    whose name does not occur is tied to the first letters of the question, as many as its name has, less one.
    """
    annotations = question.get('annotations') or {}
    spans = {}
    for words, ids in (annotations.get('question') or {}).items():
        span = word_span(words, caption, where)
        for key in _ids(ids, where):
            spans.setdefault(key, []).append(span)
    for name, key in _selected(question, where):
        if key not in spans:
            begin = caption.find(name)  # -1 where there is none, and the published files go on with that
            spans[key] = [[begin, begin + len(name)]]
            counts['objects found by name' if begin >= 0 else 'objects whose name does not occur'] += 1
    asked = _QUESTION_WORD.search(caption)
    for key in dict.fromkeys(key for ids in (annotations.get('answer') or {}).values() for key in _ids(ids, where)):
        if key in spans:
            continue
        if asked:
            spans[key] = [list(asked.span())]
            counts['objects of answers, tied to the question word'] += 1
        else:
            counts['left out: objects of answers to questions without What, Who or Where'] += 1
    return spans


def word_span(words: str, caption: str, where: str) -> list[int]:
    """Characters [begin, end) of the word '2', or of the words '5:7', the last one excluded, of a caption.

    Words are what single spaces part, punctuation included. An end behind the caption stands for its end.

    Raises:
        ValueError: If it is neither, or the caption has no such word.
    """
    found = _WORDS.fullmatch(words)
    parts = caption.split(' ')
    if found:
        first = int(found[1])
        last = min(int(found[2]), len(parts)) if found[2] else first + 1
        if first < last <= len(parts):
            begin = sum(len(part) + 1 for part in parts[:first])
            return [begin, begin + len(' '.join(parts[first:last]))]
    raise ValueError(f"{where}: the annotated words should be 'i' or 'i:j' within the {len(parts)} words of "
                     f'{caption!r}, got {words!r}')


def _selected(question: Mapping, where: str) -> Iterator[tuple[str, str]]:
    """Name and id of each object that the program selects; 'scene' and what does not exist, 'lamp (-)', are none."""
    for step in question.get('semantic') or ():
        if not isinstance(step, Mapping) or not isinstance(step.get('argument'), str):
            raise ValueError(f'{where}: a step of the program should have an operation and an argument, got {step!r}')
        found = step.get('operation') == 'select' and _SELECTED.fullmatch(step['argument'])
        if found and found[2] != '-':
            for key in _ids(found[2], where):
                yield found[1], key


def _ids(ids: object, where: str) -> list[str]:
    if not isinstance(ids, str):
        raise ValueError(f'{where}: the id of an object should be a text, got {ids!r}')
    return [key.strip() for key in ids.split(',')]
