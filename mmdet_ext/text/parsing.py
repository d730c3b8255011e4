"""Parses of English texts by spaCy, which is optional, and what MDETR's annotations take from them.

The root of 'the woman left of the dog' is 'the woman': the words that name what the text refers to
(https://arxiv.org/abs/2104.12763).
"""
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from .spans import Spans, consolidate_spans

MODEL = 'en_core_web_sm'
PARSERS = ('spacy', 'none')
NOUN_TAGS = frozenset({'NN', 'NNS', 'NNP', 'NNPS', 'PRP'})
Word = Any  # a word of a dependency parse, with the attributes of spaCy's `Token`
# Yields the words of each text, or None for a text that is not parsed.
Parser = Callable[[Iterable[str]], Iterator[Sequence[Word] | None]]


def load_parser(name: str) -> Parser:
    """The parser 'spacy', or 'none', which yields None for each text.

    A ValueError says how to install spaCy or its model if they are missing.
    """
    if name not in PARSERS:
        raise ValueError(f'parser must be one of {PARSERS}, got {name!r}')
    if name == 'none':
        return lambda texts: (None for _ in texts)
    remedy = (f'pip install spacy && python -m spacy download {MODEL}, or take --parser none, which needs no spaCy and '
              'ties boxes to whole texts')
    try:
        import spacy
    except ImportError as error:
        raise ValueError(f'--parser spacy needs spaCy, which is not installed ({error}): {remedy}') from error
    try:
        return spacy.load(MODEL, exclude=['ner']).pipe
    except OSError as error:
        raise ValueError(f'--parser spacy needs the model {MODEL}, which spaCy does not find: {remedy}') from error


def content_words(text: str, words: Sequence[Word] | None) -> list[str]:
    """Lemmas of the words that are no stop words; of a text without a parse all words in lower case."""
    if words is None:
        return ''.join(char if char.isalnum() else ' ' for char in text.lower()).split()
    lemmas = (word.lemma_.lower().strip() for word in words if not (word.is_stop or word.is_punct))
    return [lemma for lemma in lemmas if lemma]


def root_spans(text: str, words: Sequence[Word], *, lazy: bool = True) -> Spans:
    """The characters [begin, end) of the words that name what a text refers to, or one span of the whole text.

    If the root is a noun or pronoun, the words are the root and, recursively, the left children of nouns. Otherwise
    the first child of the root that is a noun or pronoun takes its place. Each word is a span of its own. The whole
    text is taken if there are no such words, or if the root has a verb as child by the arc 'compound': that is how
    parsers fail on such texts; and, if `lazy`, if it has at most one noun or pronoun.
    """
    spans = consolidate_spans([[word.idx, word.idx + len(word.text)] for word in _root_words(words, lazy)], text)
    return spans or [[0, len(text)]]


def _root_words(words: Sequence[Word], lazy: bool) -> list[Word]:
    if lazy and sum(map(_is_noun, words)) <= 1:
        return []
    root = next((word for word in words if word.dep_ == 'ROOT' and word.tag_ != 'UH'), None)
    if root is None or any(child.pos_ == 'VERB' and child.dep_ == 'compound' for child in root.children):
        return []
    noun = root if _is_noun(root) else next(filter(_is_noun, root.children), None)
    return [] if noun is None else list(_with_lefts(noun))


def _with_lefts(word: Word) -> Iterator[Word]:
    yield word
    for left in word.lefts if _is_noun(word) else ():
        yield from _with_lefts(left)


def _is_noun(word: Word) -> bool:
    return word.tag_ in NOUN_TAGS
