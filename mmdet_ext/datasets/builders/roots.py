"""Which words of a referring expression name the thing that it refers to (MDETR, https://arxiv.org/abs/2104.12763).

'the woman left of the dog' names the woman: of a dependency parse, the root of the sentence with what belongs to it.
"""
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from .spans import consolidate_spans

NOUN_TAGS = frozenset({'NN', 'NNS', 'NNP', 'NNPS', 'PRP'})


class Token(Protocol):
    """A word of a dependency parse, as spaCy's `Token` is one."""
    text: str
    idx: int  # character of the text at which it begins
    tag_: str  # Penn Treebank
    dep_: str  # arc to its head; 'ROOT' has none
    pos_: str  # universal part of speech

    @property
    def children(self) -> Iterable['Token']:
        """The words that depend on it, in the order of the text."""

    @property
    def lefts(self) -> Iterable['Token']:
        """Those of its children that stand in front of it, in the order of the text."""


def root_spans(text: str, tokens: Sequence[Token], *, lazy: bool = True) -> list[list[int]]:
    """The characters [begin, end) of the words that name what the text refers to, or the whole text as one span.

    A root that is a noun or pronoun gives itself and, recursively, the left children of nouns; any other root gives
    its first child that is a noun or pronoun, in the same way. Words stay apart, one span each. The text is taken as a
    whole where that finds nothing, and where the root has a verb as its child by the arc 'compound', which is how
    parsers fail on such texts.

    Args:
        text: The expression.
        tokens: Its words.
        lazy: Take a text with at most one noun or pronoun as a whole, without a look at its root.
    """
    words = _root_words(tokens, lazy)
    spans = consolidate_spans([[word.idx, word.idx + len(word.text)] for word in words], text)
    return spans or [[0, len(text)]]


def _root_words(tokens: Sequence[Token], lazy: bool) -> list[Token]:
    """The words of the root; none where the text is to be taken as a whole."""
    if lazy and sum(map(_is_noun, tokens)) <= 1:
        return []
    root = next((token for token in tokens if token.dep_ == 'ROOT' and token.tag_ != 'UH'), None)
    if root is None or any(child.pos_ == 'VERB' and child.dep_ == 'compound' for child in root.children):
        return []
    noun = root if _is_noun(root) else next(filter(_is_noun, root.children), None)
    return [] if noun is None else list(_with_lefts(noun))


def _with_lefts(token: Token) -> Iterator[Token]:
    yield token
    for left in token.lefts if _is_noun(token) else ():
        yield from _with_lefts(left)


def _is_noun(token: Token) -> bool:
    return token.tag_ in NOUN_TAGS
