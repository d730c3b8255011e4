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
    tidy = [[max(begin, 0), min(end, len(text))] for begin, end in spans]
    for _ in range(2):  # growing over hyphens makes overlaps and takes in a space
        tidy = [_grow(*span, text) for span in _strip(_join(tidy), text)]
    return tidy


def shift_spans(spans: Spans, offset: int) -> list[list[int]]:
    """The spans of a text after `offset` characters are put in front of it."""
    return [[begin + offset, end + offset] for begin, end in spans]


def spans_overlap(spans: Spans, others: Spans) -> bool:
    """Whether any span of the one list has a character in common with one of the other."""
    return any(begin < other_end and other_begin < end for begin, end in spans for other_begin, other_end in others)


def word_span(words: str, text: str) -> list[int]:
    """Characters [begin, end) of word '2', or of words '5:7' (the last excluded), as GQA counts the words of a text.

    Words are separated by single spaces and include punctuation. An end beyond the text stands for its end.

    Raises:
        ValueError: If `words` has another form, or the text has no such word.
    """
    match = _WORDS.fullmatch(words)
    parts = text.split(' ')
    if match:
        first = int(match[1])
        last = min(int(match[2]), len(parts)) if match[2] else first + 1
        if first < last <= len(parts):
            begin = sum(len(part) + 1 for part in parts[:first])
            return [begin, begin + len(' '.join(parts[first:last]))]
    raise ValueError(f"annotated words should be 'i' or 'i:j' within the {len(parts)} words of {text!r}, got {words!r}")


def clean_text(text: str) -> tuple[str, list[int]]:
    """Remove needless white space from a text, and repetitions of a punctuation mark ('!!!' becomes '!').

    Returns:
        The clean text. For each character of `text`, and for its end, where this character, or the next one that is
        left, is in the clean text.
    """
    keep = [True] * len(text)
    for match in _REPEATED.finditer(text):
        keep[match.start() + 1:match.end()] = [False] * (match.end() - match.start() - 1)
    letters, positions = [], []
    space_is_due = False
    for char, kept in zip(text, keep, strict=True):
        if kept and not char.isspace():
            letters += [' '] * space_is_due + [char]
            positions.append(len(letters) - 1)
        else:
            positions.append(len(letters))
        space_is_due = bool(letters) and char.isspace()
    return ''.join(letters), [*positions, len(letters)]


def _join(spans: Spans) -> Spans:
    """Sorted spans, one in place of those that overlap; spans that only touch stay apart."""
    joined: Spans = []
    for begin, end in sorted(spans):
        if joined and begin < joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], end)
        else:
            joined.append([begin, end])
    return joined


def _strip(spans: Spans, text: str) -> Spans:
    """The spans without what is neither letter nor digit at their ends, if anything is left."""
    stripped = []
    for begin, end in spans:
        while begin < end and not text[begin].isalnum():
            begin += 1
        while begin < end and not text[end - 1].isalnum():
            end -= 1
        if begin < end:
            stripped.append([begin, end])
    return stripped


def _grow(begin: int, end: int, text: str) -> list[int]:
    """The span with the rest of a hyphenated word, at its end with the space that follows."""
    if text[end:end + 1] == '-':
        end = text.find(' ', end) + 1 or len(text)
    if begin and text[begin - 1] == '-':
        begin = text.rfind(' ', 0, begin) + 1
    return [begin, end]
