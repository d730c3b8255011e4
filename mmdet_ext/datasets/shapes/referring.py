"""Referring expressions: words that tell one object of a scene from all others."""
import numpy as np

from .phrases import (RELATION_WORDS, Description, Named, Text, choose, definite, denoted, descriptions,
                      write)
from .scene import Scene, SceneObject

_AXES = dict(left=0, right=0, above=1, below=1)
_SIGNS = dict(left=-1, right=1, above=-1, below=1)
_FURTHEST = dict(left='leftmost', right='rightmost', above='topmost', below='bottommost')


def refer(scene: Scene, target: SceneObject, rng: np.random.RandomState, *, color: bool = True) -> Text | None:
    """An expression for `target` whose first phrase is `target`, or None if there is none.

    By looks where that is enough ("the large red circle"), or, where several objects look alike, by its place among
    them ("the leftmost red circle") or beside another one ("the red circle above the star"). Of these three, those that
    are possible are equally likely. `color`: whether the target's colour may be named.
    """
    by_looks, furthest, beside = [], [], []
    for description in descriptions(target):
        if description.color and not color:
            continue
        ids = denoted(scene, description)
        if ids == (target.id, ):
            by_looks.append([definite(description, ids)])
        else:
            furthest += _superlatives(scene, target, description, ids)
            beside += _beside(scene, target, description, ids)
    kinds = [kind for kind in (by_looks, furthest, beside) if kind]
    return write(choose(rng, choose(rng, kinds))) if kinds else None


def _superlatives(scene: Scene, target: SceneObject, description: Description,
                  ids: tuple[int, ...]) -> list[list[Named]]:
    """'the leftmost red circle', clearly so."""
    relations = set(scene.relations())
    return [[Named(f'the {word} {description.words()}', (target.id, ))]
            for predicate, word in _FURTHEST.items()
            if all((target.id, predicate, other) in relations for other in ids if other != target.id)]


def _beside(scene: Scene, target: SceneObject, description: Description,
            ids: tuple[int, ...]) -> list[list[str | Named]]:
    """'the red circle left of the star': clearly left, and no other red circle is left of it by a single pixel."""
    found = []
    for subject, predicate, landmark in scene.relations():
        rivals = [scene.objects[id_] for id_ in ids if id_ not in (target.id, landmark)]
        if subject != target.id or any(_is(rival, predicate, scene.objects[landmark]) for rival in rivals):
            continue
        unique = [own for own in descriptions(scene.objects[landmark]) if denoted(scene, own) == (landmark, )]
        found += [[definite(description, (target.id, )), f' {RELATION_WORDS[predicate]} ', definite(own, (landmark, ))]
                  for own in unique]
    return found


def _is(subject: SceneObject, predicate: str, landmark: SceneObject) -> bool:
    """Whether the relation holds at all, be it barely."""
    axis = _AXES[predicate]
    return (subject.center[axis] - landmark.center[axis]) * _SIGNS[predicate] > 0
