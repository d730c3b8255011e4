"""Questions about attributes of objects: the colour, shape or size of one, and whether two have the same."""
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from itertools import permutations

import numpy as np

from .phrases import Description, choose
from .referring import Parts, references
from .scene import Scene, SceneObject

Answers = dict[str, list[Parts]]
_WORDS = dict(color='colour', shape='shape', size='size')


def query_attribute(scene: Scene, rng: np.random.RandomState) -> list[Callable[[], Answers]]:
    """'what colour is the shape left of the large star?'"""
    return [partial(_query, scene, rng, name) for name in _WORDS]


def compare_attribute(scene: Scene, rng: np.random.RandomState) -> list[Callable[[], Answers]]:
    """'are the circle and the star of the same colour?'"""
    return [partial(_compare, scene, rng, name) for name in _WORDS]


def _query(scene: Scene, rng: np.random.RandomState, name: str) -> Answers:
    answers = defaultdict(list)
    for obj in scene.objects:
        kinds = [kind for kind in _references_without(scene, obj, name) if kind]
        if kinds:
            answers[getattr(obj, name)].append([f'what {_WORDS[name]} is ', *choose(rng, choose(rng, kinds)), '?'])
    return answers


def _compare(scene: Scene, rng: np.random.RandomState, name: str) -> Answers:
    """The first object is named without a landmark: 'the circle left of the cross and the star' is ambiguous."""
    known = []
    for obj in scene.objects:
        by_looks, by_place, by_landmark = _references_without(scene, obj, name)
        known.append((obj, [kind for kind in (by_looks, by_place) if kind], by_landmark))
    answers = defaultdict(list)
    for (first, kinds, _), (second, other_kinds, by_landmark) in permutations(known, 2):
        other_kinds = other_kinds + ([by_landmark] if by_landmark else [])
        if kinds and other_kinds:
            parts = ['are ', *choose(rng, choose(rng, kinds)), ' and ', *choose(rng, choose(rng, other_kinds)),
                     f' of the same {_WORDS[name]}?']
            answers['yes' if getattr(first, name) == getattr(second, name) else 'no'].append(parts)
    return answers


def _references_without(scene: Scene, obj: SceneObject, name: str) -> tuple[list[Parts], list[Parts], list[Parts]]:
    """References to an object that do not mention one of its attributes."""
    first, second = ({other: getattr(obj, other)} for other in _WORDS if other != name)
    nothing = Description(None, None, None)
    looks = [nothing._replace(**attributes) for attributes in ({}, first, second, first | second)]
    return references(scene, obj, looks)
