"""A scene is what an image shows: objects, background and relations. Images and annotations are made from scenes."""
from dataclasses import asdict, dataclass
from typing import NamedTuple

SHAPE_CLASSES = ('circle', 'square', 'triangle', 'star', 'cross', 'pentagon')
SIZES = ('small', 'large')
# RGB; backgrounds have dull tones of medium brightness, from which all of these differ.
COLORS = {
    'red': (222, 40, 44),
    'orange': (245, 140, 24),
    'yellow': (250, 222, 50),
    'green': (46, 160, 60),
    'cyan': (64, 208, 224),
    'blue': (44, 84, 220),
    'purple': (146, 54, 190),
    'white': (246, 246, 246),
}
PATTERNS = ('clouds', 'stripes', 'checks', 'grain')
RELATIONS = ('left', 'right', 'above', 'below')
_OPPOSITE = {'left': 'right', 'right': 'left', 'above': 'below', 'below': 'above'}
# A fraction of the image's shorter side. Centres closer than this along an axis have no relation along it.
_RELATION_MARGIN = 0.05


class Relation(NamedTuple):
    """`subject` is `predicate` (of) `object`: the ids of two objects, one of `RELATIONS` between them."""
    subject: int
    predicate: str
    object: int


@dataclass(frozen=True)
class SceneObject:
    """One shape of an image; all lengths are whole pixels.

    Args:
        id: Index in the scene's list, which runs from the back to the front.
        shape: One of `SHAPE_CLASSES`.
        color: A key of `COLORS`.
        size: One of `SIZES`.
        center: (x, y) in pixels; (0, 0) is the image's upper left corner.
        extent: Longer side of the shape before its rotation.
        rotation: Degrees, clockwise.
        box: (x, y, width, height) of the visible part.
    """
    id: int
    shape: str
    color: str
    size: str
    center: tuple[int, int]
    extent: int
    rotation: int
    box: tuple[int, int, int, int]

    def __post_init__(self) -> None:
        for name, allowed in dict(shape=SHAPE_CLASSES, color=tuple(COLORS), size=SIZES).items():
            if getattr(self, name) not in allowed:
                raise ValueError(f'{name} should be one of {", ".join(allowed)}. Got {getattr(self, name)!r}.')


@dataclass(frozen=True)
class Background:
    """A dull texture.

    Args:
        pattern: One of `PATTERNS`.
        color: Mean colour, RGB.
        seed: Seed of the texture.
    """
    pattern: str
    color: tuple[int, int, int]
    seed: int

    def __post_init__(self) -> None:
        if self.pattern not in PATTERNS:
            raise ValueError(f'pattern should be one of {", ".join(PATTERNS)}. Got {self.pattern!r}.')


@dataclass(frozen=True)
class Scene:
    """All that one image shows: `render_scene` draws it, `to_coco` annotates it.

    Args:
        image_id: From 1 within a split; the same id as in the COCO file.
        file_name: Relative to the folder of the split.
        width: Width of the image in pixels.
        height: Height of the image in pixels.
        background: Texture behind the objects.
        objects: From the back to the front, `objects[i].id == i`.
    """
    image_id: int
    file_name: str
    width: int
    height: int
    background: Background
    objects: tuple[SceneObject, ...]

    def __post_init__(self) -> None:
        ids = [obj.id for obj in self.objects]
        if ids != list(range(len(ids))):
            raise ValueError(f'objects of {self.file_name} should have the ids 0, 1, 2, ... in this order. Got {ids}.')

    def relations(self) -> list[Relation]:
        """Every ordered pair of objects whose centres are clearly apart along x or y, sorted by subject and object."""
        margin = _RELATION_MARGIN * min(self.width, self.height)
        relations = []
        for first in self.objects:
            for second in self.objects[first.id + 1:]:
                for axis, lower in enumerate(('left', 'above')):
                    gap = second.center[axis] - first.center[axis]
                    if abs(gap) > margin:
                        predicate = lower if gap > 0 else _OPPOSITE[lower]
                        relations.append(Relation(first.id, predicate, second.id))
                        relations.append(Relation(second.id, _OPPOSITE[predicate], first.id))
        return sorted(relations, key=lambda relation: (relation.subject, relation.object))

    def to_dict(self) -> dict:
        """The scene as lists, dicts, texts and numbers, for json."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict) -> 'Scene':
        """The inverse of `to_dict`; lists may stand for tuples, as in json."""
        background = Background(**_with_tuples(data['background']))
        objects = tuple(SceneObject(**_with_tuples(obj)) for obj in data['objects'])
        return cls(**{**data, 'background': background, 'objects': objects})


def _with_tuples(data: dict) -> dict:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
