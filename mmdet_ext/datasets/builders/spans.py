"""Spans [begin, end) of characters of a caption, tidied to whole words as MDETR's published files have them.

https://arxiv.org/abs/2104.12763
"""
from collections.abc import Sequence


def consolidate_spans(spans: Sequence[Sequence[int]], caption: str) -> list[list[int]]:
    """Spans in order, joined where they overlap, cut to letters and digits, grown over hyphens to whole words.

    What reaches out of the caption is cut off, and what has neither letter nor digit vanishes.
    """
    tidy = [[max(begin, 0), min(end, len(caption))] for begin, end in spans]
    for _ in range(2):  # growing over hyphens makes overlaps and takes in a space
        tidy = [_grow(*span, caption) for span in _strip(_join(tidy), caption)]
    return tidy


def shift_spans(spans: Sequence[Sequence[int]], offset: int) -> list[list[int]]:
    """The spans of a text that stands `offset` characters further on."""
    return [[begin + offset, end + offset] for begin, end in spans]


def _join(spans: list[list[int]]) -> list[list[int]]:
    """One span in place of those that overlap; spans that only touch stay apart."""
    joined: list[list[int]] = []
    for begin, end in sorted(spans):
        if joined and begin < joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], end)
        else:
            joined.append([begin, end])
    return joined


def _strip(spans: list[list[int]], caption: str) -> list[list[int]]:
    """The spans without what is neither letter nor digit at their ends, if anything is left."""
    found = []
    for begin, end in spans:
        while begin < end and not caption[begin].isalnum():
            begin += 1
        while begin < end and not caption[end - 1].isalnum():
            end -= 1
        if begin < end:
            found.append([begin, end])
    return found


def _grow(begin: int, end: int, caption: str) -> list[int]:
    """The span with the rest of a hyphenated word, at its end with the space that follows."""
    if caption[end:end + 1] == '-':
        end = caption.find(' ', end) + 1 or len(caption)
    if begin and caption[begin - 1] == '-':
        begin = caption.rfind(' ', 0, begin) + 1
    return [begin, end]
