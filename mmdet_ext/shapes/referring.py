"""Referring expressions: words that tell one object of a scene from all others."""
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from .phrases import (RELATION_WORDS, Description, Named, Text, choose, definite, denoted, descriptions,
                      write)
from .scene import Relation, Scene, SceneObject

# Parts of a text, which `write` joins.
Parts = list[str | Named]
_AXES = dict(left=0, right=0, above=1, below=1)
_SIGNS = dict(left=-1, right=1, above=-1, below=1)
_FURTHEST = dict(left='leftmost', right='rightmost', above='topmost', below='bottommost')


def refer(scene: Scene, target: SceneObject, rng: np.random.RandomState, *, color: bool = True) -> Text | None:
    """An expression for `target` whose first phrase is `target`, or None if there is none.

    There are three kinds: by attributes if these are unique ("the large red circle"), and otherwise by the position
    among objects of the same attributes ("the leftmost red circle") or relative to another object ("the red circle
    above the star"). The kinds that are possible are equally likely.

    Args:
        scene: The scene.
        target: The object.
        rng: Source of random numbers.
        color: Whether the expression may name the target's colour.
    """
    kinds = references(scene, target, [looks for looks in descriptions(target) if color or not looks.color])
    kinds = [kind for kind in kinds if kind]
    return write(choose(rng, choose(rng, kinds))) if kinds else None


def references(scene: Scene, target: SceneObject,
               looks: Sequence[Description]) -> tuple[list[Parts], list[Parts], list[Parts]]:
    """All expressions for `target` with one of the descriptions `looks`: by attributes, position, other object."""
    by_looks, by_place, by_landmark = [], [], []
    for description in looks:
        ids = denoted(scene, description)
        if ids == (target.id, ):
            by_looks.append([definite(description, ids)])
        else:
            by_place += _superlatives(scene, target, description, ids)
            by_landmark += _beside(scene, target, description, ids)
    return by_looks, by_place, by_landmark


def beside(scene: Scene, predicate: str, landmark: SceneObject) -> tuple[set[int], set[int]]:
    """The ids of the objects left of (right of, ...) the landmark by more than the margin, and by less."""
    relations = _relations(scene)
    ids = {obj.id for obj in scene.objects if _is(obj, predicate, landmark)}
    clearly = {id_ for id_ in ids if (id_, predicate, landmark.id) in relations}
    return clearly, ids - clearly


@lru_cache(maxsize=64)
def unique_looks(scene: Scene, obj: SceneObject) -> tuple[Description, ...]:
    """The descriptions that fit this object alone."""
    return tuple(looks for looks in descriptions(obj) if denoted(scene, looks) == (obj.id, ))


@lru_cache(maxsize=8)
def _relations(scene: Scene) -> dict[Relation, None]:
    """The relations of the scene, in its order, as keys for quick look-up."""
    return dict.fromkeys(scene.relations())


def _superlatives(scene: Scene, target: SceneObject, description: Description,
                  ids: tuple[int, ...]) -> list[Parts]:
    """'the leftmost red circle', by more than the margin."""
    relations = _relations(scene)
    return [[Named(f'the {word} {description.words()}', (target.id, ))]
            for predicate, word in _FURTHEST.items()
            if all((target.id, predicate, other) in relations for other in ids if other != target.id)]


def _beside(scene: Scene, target: SceneObject, description: Description,
            ids: tuple[int, ...]) -> list[Parts]:
    """'the red circle left of the star', by more than the margin, if no other red circle is left of the star at all."""
    expressions = []
    for subject, predicate, landmark in _relations(scene):
        rivals = [scene.objects[id_] for id_ in ids if id_ not in (target.id, landmark)]
        if subject != target.id or any(_is(rival, predicate, scene.objects[landmark]) for rival in rivals):
            continue
        start = [definite(description, (target.id, )), f' {RELATION_WORDS[predicate]} ']
        expressions += [[*start, definite(looks, (landmark, ))]
                        for looks in unique_looks(scene, scene.objects[landmark])]
    return expressions


def _is(subject: SceneObject, predicate: str, landmark: SceneObject) -> bool:
    """Whether the relation holds, by any number of pixels."""
    axis = _AXES[predicate]
    return (subject.center[axis] - landmark.center[axis]) * _SIGNS[predicate] > 0
