"""Dependency parses without a parser: written by hand, or by rules that do for 'a red cup on the table'."""
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

_DETERMINERS = {'a', 'an', 'the', 'its'}
_ADJECTIVES = {'red', 'big', 'old', 'white'}
_PREPOSITIONS = {'on', 'of', 'in', 'near'}


@dataclass
class HandToken:
    """A word, as `Word` wants it."""
    text: str
    idx: int
    tag_: str
    dep_: str
    pos_: str = 'X'
    children: list['HandToken'] = field(default_factory=list)

    @property
    def lefts(self) -> list['HandToken']:
        return [child for child in self.children if child.idx < self.idx]

    @property
    def lemma_(self) -> str:
        return self.text.lower().removesuffix('s')

    @property
    def is_stop(self) -> bool:
        return self.tag_ in ('DT', 'IN')

    @property
    def is_punct(self) -> bool:
        return not any(map(str.isalnum, self.text))


def parse(*rows: tuple) -> tuple[str, list[HandToken]]:
    """The text and the tokens of rows (word, tag, arc, place of the head, maybe part of speech), spaced by one."""
    tokens, text = [], ''
    for word, tag, arc, _, *pos in rows:
        text += ' ' * bool(text)
        tokens.append(HandToken(word, len(text), tag, arc, *pos))
        text += word
    for token, row in zip(tokens, rows, strict=True):
        if row[2] != 'ROOT':
            tokens[row[3]].children.append(token)
    return text, tokens


def rule_parser(texts: Iterable[str]) -> Iterator[list[HandToken]]:
    """The first noun is the root; what stands in front of a noun is its left child."""
    for text in texts:
        words = text.split(' ')
        tags = ['DT' if word.lower() in _DETERMINERS else 'JJ' if word in _ADJECTIVES else
                'IN' if word in _PREPOSITIONS else 'NN' if word.isalnum() else '.' for word in words]
        nouns = [place for place, tag in enumerate(tags) if tag == 'NN']
        rows = []
        for place, (word, tag) in enumerate(zip(words, tags, strict=True)):
            later = next((noun for noun in nouns if noun > place), None)
            head = later if tag in ('DT', 'JJ') else max((noun for noun in nouns if noun < place), default=None)
            rows.append((word, tag, 'ROOT' if head is None else 'dep', head))
        yield parse(*rows)[1]
