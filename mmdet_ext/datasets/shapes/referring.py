"""Referring expressions: words that tell one object of a scene from all others."""
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from .phrases import (RELATION_WORDS, Description, Named, Text, choose, definite, denoted, descriptions,
                      write)
from .scene import Relation, Scene, SceneObject

# Of a text, before it is written.
Parts = list[str | Named]
_AXES = dict(left=0, right=0, above=1, below=1)
_SIGNS = dict(left=-1, right=1, above=-1, below=1)
_FURTHEST = dict(left='leftmost', right='rightmost', above='topmost', below='bottommost')


def refer(scene: Scene, target: SceneObject, rng: np.random.RandomState, *, color: bool = True) -> Text | None:
    """An expression for `target` whose first phrase is `target`, or None if there is none.

    By looks where that is enough ("the large red circle"), or, where several objects look alike, by its place among
    them ("the leftmost red circle") or beside another one ("the red circle above the star"). Of these three, those that
    are possible are equally likely. `color`: whether the target's colour may be named.
    """
    kinds = references(scene, target, [own for own in descriptions(target) if color or not own.color])
    kinds = [kind for kind in kinds if kind]
    return write(choose(rng, choose(rng, kinds))) if kinds else None


def references(scene: Scene, target: SceneObject,
               looks: Sequence[Description]) -> tuple[list[Parts], list[Parts], list[Parts]]:
    """All expressions for `target` with one of the descriptions `looks`: by looks, by place, beside another object."""
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
    """The ids of the objects that are clearly left of (right of, ...) another one, and of those that barely are."""
    relations = _relations(scene)
    found = {obj.id for obj in scene.objects if _is(obj, predicate, landmark)}
    clearly = {id_ for id_ in found if (id_, predicate, landmark.id) in relations}
    return clearly, found - clearly


@lru_cache(maxsize=64)
def unique_looks(scene: Scene, obj: SceneObject) -> tuple[Description, ...]:
    """The descriptions that fit an object and no other."""
    return tuple(own for own in descriptions(obj) if denoted(scene, own) == (obj.id, ))


@lru_cache(maxsize=8)
def _relations(scene: Scene) -> dict[Relation, None]:
    """Those of the scene, in its order and quick to look up."""
    return dict.fromkeys(scene.relations())


def _superlatives(scene: Scene, target: SceneObject, description: Description,
                  ids: tuple[int, ...]) -> list[Parts]:
    """'the leftmost red circle', clearly so."""
    relations = _relations(scene)
    return [[Named(f'the {word} {description.words()}', (target.id, ))]
            for predicate, word in _FURTHEST.items()
            if all((target.id, predicate, other) in relations for other in ids if other != target.id)]


def _beside(scene: Scene, target: SceneObject, description: Description,
            ids: tuple[int, ...]) -> list[Parts]:
    """'the red circle left of the star': clearly left, and no other red circle is left of it by a single pixel."""
    found = []
    for subject, predicate, landmark in _relations(scene):
        rivals = [scene.objects[id_] for id_ in ids if id_ not in (target.id, landmark)]
        if subject != target.id or any(_is(rival, predicate, scene.objects[landmark]) for rival in rivals):
            continue
        found += [[definite(description, (target.id, )), f' {RELATION_WORDS[predicate]} ', definite(own, (landmark, ))]
                  for own in unique_looks(scene, scene.objects[landmark])]
    return found


def _is(subject: SceneObject, predicate: str, landmark: SceneObject) -> bool:
    """Whether the relation holds at all, be it barely."""
    axis = _AXES[predicate]
    return (subject.center[axis] - landmark.center[axis]) * _SIGNS[predicate] > 0
