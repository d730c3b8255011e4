"""Spans [begin, end) of characters of a text, and how MDETR's published files tidy them.

https://arxiv.org/abs/2104.12763
"""
import re
from collections.abc import Sequence

Spans = Sequence[Sequence[int]]

_REPEATED = re.compile(r'([^\w\s])\1+')
_WORDS = re.compile(r'(\d+)(?::(\d+))?')


def consolidate_spans(spans: Spans, text: str) -> list[list[int]]:
    """Sort spans, join those that overlap, and fit them to whole words.

    A span ends at letters or digits; it grows to the ends of a hyphenated word. What reaches out of the text is cut
    off, and a span without a letter or digit is dropped.
    """
    tidy = clip_spans(spans, text)
    for _ in range(2):  # growing over hyphens makes overlaps and takes in a space
        stripped = (_strip(*span, text) for span in join_spans(tidy))
        tidy = [_grow(begin, end, text) for begin, end in stripped if begin < end]
    return tidy


def join_spans(spans: Spans, text: str | None = None) -> list[list[int]]:
    """Spans in order; those that overlap are joined, and with a `text` those with at most spaces between them too."""
    joined: list[list[int]] = []
    for begin, end in sorted(spans):
        last_end = joined[-1][1] if joined else -1
        if begin < last_end or (joined and text is not None and not text[last_end:begin].strip()):
            joined[-1][1] = max(last_end, end)
        else:
            joined.append([begin, end])
    return joined


def clip_spans(spans: Spans, text: str) -> list[list[int]]:
    """The spans without what reaches out of the text."""
    return [[min(max(side, 0), len(text)) for side in span] for span in spans]


def shift_spans(spans: Spans, offset: int) -> list[list[int]]:
    """The spans of a text after `offset` characters are put in front of it."""
    return [[begin + offset, end + offset] for begin, end in spans]


def spans_overlap(spans: Spans, others: Spans) -> bool:
    """Whether any span of the one list has a character in common with one of the other."""
    return any(begin < other_end and other_begin < end for begin, end in spans for other_begin, other_end in others)


def phrase_text(spans: Spans, caption: str) -> str:
    """The characters of the spans, with dots where some are left out."""
    return ' ... '.join(caption[begin:end] for begin, end in spans)


def word_begin(number: int, text: str) -> int:
    """The character at which a word begins, words being separated by single spaces and counted from 0."""
    return sum(len(word) + 1 for word in text.split(' ')[:number])


def word_span(words: str, text: str) -> list[int]:
    """Characters [begin, end) of word '2', or of words '5:7' (the last excluded), as GQA counts the words of a text.

    Words are separated by single spaces and include punctuation. An end beyond the text stands for its end. Words that
    are not in the text are a ValueError.
    """
    match, count = _WORDS.fullmatch(words), text.count(' ') + 1
    if match:
        first = int(match[1])
        last = min(int(match[2]), count) if match[2] else first + 1
        if first < last <= count:
            return [word_begin(first, text), word_begin(last, text) - 1]
    raise ValueError(f"annotated words should be 'i' or 'i:j' within the {count} words of {text!r}, got {words!r}")


def clean_text(text: str) -> tuple[str, list[int]]:
    """Remove needless white space from a text, and repetitions of a punctuation mark ('!!!' becomes '!').

    Returns:
        The clean text. For each character of `text`, and for its end, where this character, or the next one that is
        left, is in the clean text.
    """
    repeated = {index for match in _REPEATED.finditer(text) for index in range(match.start() + 1, match.end())}
    letters, positions = [], []
    space_is_due = False
    for index, char in enumerate(text):
        if index not in repeated and not char.isspace():
            letters += [' '] * space_is_due + [char]
            positions.append(len(letters) - 1)
        else:
            positions.append(len(letters))
        space_is_due = bool(letters) and char.isspace()
    return ''.join(letters), [*positions, len(letters)]


def _strip(begin: int, end: int, text: str) -> tuple[int, int]:
    """The span without what is neither letter nor digit at its ends."""
    while begin < end and not text[begin].isalnum():
        begin += 1
    while begin < end and not text[end - 1].isalnum():
        end -= 1
    return begin, end


def _grow(begin: int, end: int, text: str) -> list[int]:
    """The span with the rest of a hyphenated word, at its end with the space that follows."""
    if text[end:end + 1] == '-':
        end = text.find(' ', end) + 1 or len(text)
    if begin and text[begin - 1] == '-':
        begin = text.rfind(' ', 0, begin) + 1
    return [begin, end]
