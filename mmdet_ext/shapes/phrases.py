"""Names of objects by size, colour and shape, and texts that keep the spans of these names."""
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple, TypeVar

import numpy as np

from ..text.wording import article, number_word, plural
from .scene import Scene, SceneObject

T = TypeVar('T')
_ATTRIBUTES = ('size', 'color', 'shape')
RELATION_WORDS = dict(left='left of', right='right of', above='above', below='below')


class Description(NamedTuple):
    """Attributes of an object; None stands for any value."""
    size: str | None
    color: str | None
    shape: str | None

    def fits(self, obj: SceneObject) -> bool:
        return (self.size in (None, obj.size) and self.color in (None, obj.color)
                and self.shape in (None, obj.shape))

    def words(self, count: int = 1) -> str:
        """'large red circle', 'red shapes'."""
        noun = self.shape or 'shape'
        adjectives = [word for word in (self.size, self.color) if word]
        return ' '.join([*adjectives, noun if count == 1 else plural(noun)])


class Phrase(NamedTuple):
    """A span of a text, characters [begin, end), that names the objects `ids` of a scene."""
    begin: int
    end: int
    ids: tuple[int, ...]


class Text(NamedTuple):
    """A text about a scene, and its phrases that name objects."""
    text: str
    phrases: tuple[Phrase, ...]


class Named(NamedTuple):
    """A part of a text that names objects."""
    words: str
    ids: tuple[int, ...]


def write(parts: Sequence[str | Named]) -> Text:
    """Join parts, which contain their spaces, and note the spans of those that name objects."""
    text, phrases = '', []
    for part in parts:
        if isinstance(part, Named):
            phrases.append(Phrase(len(text), len(text) + len(part.words), part.ids))
            part = part.words
        text += part
    return Text(text, tuple(phrases))


def describe(obj: SceneObject, names: Sequence[str]) -> Description:
    """The description of an object by some of the attributes 'size', 'color' and 'shape'."""
    return Description(**{name: getattr(obj, name) if name in names else None for name in _ATTRIBUTES})


def descriptions(obj: SceneObject) -> list[Description]:
    """The descriptions of an object by any of its attributes, but not by its size alone, which is too vague."""
    candidates = [describe(obj, names) for count in (1, 2, 3) for names in combinations(_ATTRIBUTES, count)]
    return [description for description in candidates if description.color or description.shape]


def denoted(scene: Scene, description: Description) -> tuple[int, ...]:
    """The ids of all objects that the description fits."""
    return tuple(obj.id for obj in scene.objects if description.fits(obj))


def indefinite(description: Description, ids: tuple[int, ...]) -> Named:
    """'a red circle', 'two red circles'."""
    words = description.words(len(ids))
    return Named(f'{article(words) if len(ids) == 1 else number_word(len(ids))} {words}', ids)


def definite(description: Description, ids: tuple[int, ...]) -> Named:
    """'the red circle', 'the two red circles'."""
    count = '' if len(ids) == 1 else f'{number_word(len(ids))} '
    return Named(f'the {count}{description.words(len(ids))}', ids)


def listing(items: Sequence[Named]) -> list[str | Named]:
    """'A', 'A and B', 'A, B and C' as parts."""
    parts = [items[0]]
    for count, item in enumerate(items[1:], 2):
        parts += [' and ' if count == len(items) else ', ', item]
    return parts


def choose(rng: np.random.RandomState, values: Sequence[T]) -> T:
    return values[rng.randint(len(values))]
