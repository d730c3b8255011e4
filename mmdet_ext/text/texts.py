"""Texts in the place of classes: what an image is asked for, and what it is trained on that it does not show."""
import re
from collections.abc import Sequence
from typing import NamedTuple

from .spans import Spans, phrase_text

SEPARATOR = ' . '

# Words that say nothing of what a phrase names.
_EMPTY = frozenset([
    'a', 'an', 'the', 'of', 'in', 'on', 'at', 'to', 'and', 'or', 'with', 'its', 'his', 'her', 'their', 'this', 'that',
    'these', 'those', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten'
])


class Phrase(NamedTuple):
    """A part of a text, and its characters [begin, end) there."""
    words: str
    spans: Spans


def split_phrases(text: str, spans: Sequence[Spans] | None = None) -> list[Phrase]:
    """The phrases of a text: those whose spans are given, or else the parts between ' . ', without a dot at the end."""
    if spans is not None:
        return [Phrase(phrase_text(phrase, text), phrase) for phrase in spans]
    phrases, begin = [], 0
    for part in text.split(SEPARATOR):
        words = part.strip().removesuffix('.').strip()
        if words:
            start = begin + part.index(words)
            phrases.append(Phrase(words, [[start, start + len(words)]]))
        begin += len(part) + len(SEPARATOR)
    return phrases


def words_of(text: str) -> frozenset[str]:
    """The words of a text in lower case, without articles, prepositions and small numbers; 'circles' is 'circle'."""
    words = re.findall(r'\w+', text.lower())
    return frozenset(word.removesuffix('s') if len(word) > 3 else word for word in words if word not in _EMPTY)


def borrow_texts(texts: Sequence[Sequence[str]], borrows: Sequence[bool], limit: int) -> list[tuple[str, ...]]:
    """The texts of each image, followed by negatives: up to `limit` texts of the images after it, in a ring.

    A text is not taken if it has a word in common with one of the image, because it may then name something there.

    Args:
        texts: Of each image of a batch.
        borrows: Whether an image takes negatives.
        limit: How many at most.
    """
    extended = []
    for number, (mine, takes) in enumerate(zip(texts, borrows, strict=True)):
        taken = list(mine)
        if takes and limit:
            known = frozenset().union(*map(words_of, mine))
            others = dict.fromkeys(text for row in (*texts[number + 1:], *texts[:number]) for text in row)
            taken += [text for text in others if not words_of(text) & known][:limit]
        extended.append(tuple(taken))
    return extended
