"""Parsers of English for the builders: spaCy, which is optional, or none.

With spaCy a text becomes its tokens, without a parser None, and who asks for them falls back on the whole text.
"""
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from .roots import Token

MODEL = 'en_core_web_sm'
PARSERS = ('spacy', 'none')
_INSTALL = f'pip install spacy && python -m spacy download {MODEL}'


class Word(Token, Protocol):
    """A token that knows its basic form too."""
    lemma_: str
    is_stop: bool
    is_punct: bool


# The tokens of each text, in the order of the texts.
Parser = Callable[[Iterable[str]], Iterator[Sequence[Word] | None]]


def load_parser(name: str) -> Parser:
    """The parser 'spacy', or 'none'.

    Raises:
        ValueError: If the name is another one, or spaCy or its model is not installed; says how to install them.
    """
    if name not in PARSERS:
        raise ValueError(f'parser must be one of {PARSERS}, got {name!r}')
    if name == 'none':
        return lambda texts: (None for _ in texts)
    otherwise = ", or take --parser none, which needs no spaCy and ties boxes to whole texts"
    try:
        import spacy
    except ImportError as error:
        raise ValueError(f'--parser spacy needs spaCy, which is not installed ({error}): {_INSTALL}{otherwise}'
                         ) from error
    try:
        return spacy.load(MODEL, exclude=['ner']).pipe
    except OSError as error:
        raise ValueError(f'--parser spacy needs the model {MODEL}, which spaCy does not find: {_INSTALL}{otherwise}'
                         ) from error


def content_words(text: str, words: Sequence[Word] | None) -> list[str]:
    """The basic forms of the words that mean something; without a parse all words in lower case, less punctuation."""
    if words is None:
        letters = ''.join(char if char.isalnum() else ' ' for char in text.lower())
        return letters.split()
    forms = (word.lemma_.lower().strip() for word in words if not (word.is_stop or word.is_punct))
    return [form for form in forms if form]
