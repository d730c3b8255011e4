"""Captions whose phrases name objects: lists of all objects, and statements about some."""
import numpy as np

from .phrases import (RELATION_WORDS, Description, Named, Text, choose, definite, denoted, describe, descriptions,
                      indefinite, listing, write)
from .referring import refer
from .scene import Scene, SceneObject

NOTHING = 'nothing'
_GROUPINGS = (('shape', ), ('color', ), ('color', 'shape'), ('size', 'shape'), ('size', 'color', 'shape'))
_MAX_STATEMENTS = 3


def caption_list(scene: Scene, rng: np.random.RandomState) -> Text:
    """'two red circles, a white star and a blue square': all objects in random order, by the same attributes."""
    if not scene.objects:
        return Text(NOTHING, ())
    names = choose(rng, _GROUPINGS)
    groups = list(dict.fromkeys(describe(obj, names) for obj in scene.objects))
    order = rng.permutation(len(groups))
    return write(listing([indefinite(groups[i], denoted(scene, groups[i])) for i in order]))


def caption_statements(scene: Scene, rng: np.random.RandomState) -> Text | None:
    """'the red circle is left of the two stars, the topmost star is white and the square is above the red circle'.

    One to three statements, which may name an object more than once; None if there are none. The scene must have an
    object.
    """
    statements, seen = [], set()
    for _ in range(rng.randint(1, _MAX_STATEMENTS + 1)):
        statement = _relation_statement(scene, rng) if rng.randint(2) else _color_statement(scene, rng)
        text = statement and ''.join(part if isinstance(part, str) else part.words for part in statement)
        if text and text not in seen:
            seen.add(text)
            statements.append(statement)
    parts = []
    for index, statement in enumerate(statements):
        if index:
            parts.append(' and ' if index == len(statements) - 1 else ', ')
        parts += statement
    return write(parts) if parts else None


def _relation_statement(scene: Scene, rng: np.random.RandomState) -> list[str | Named] | None:
    """'the two red circles are left of the star': all of the first are, by the margin, left of all of the second."""
    relations = scene.relations()
    known = set(relations)
    for index in rng.permutation(len(relations)):
        subject, predicate, landmark = relations[index]
        options = []
        for first in _sets(scene, scene.objects[subject]):
            for second in _sets(scene, scene.objects[landmark]):
                if all((i, predicate, j) in known for i in first[1] for j in second[1]):
                    options.append((first, second))
        if options:
            first, second = choose(rng, options)
            verb = 'is' if len(first[1]) == 1 else 'are'
            return [definite(*first), f' {verb} {RELATION_WORDS[predicate]} ', definite(*second)]
    return None


def _sets(scene: Scene, obj: SceneObject) -> list[tuple[Description, tuple[int, ...]]]:
    """The descriptions that fit an object, with the ids of all objects that they fit."""
    return [(description, denoted(scene, description)) for description in descriptions(obj)]


def _color_statement(scene: Scene, rng: np.random.RandomState) -> list[str | Named] | None:
    """'the leftmost circle is red', 'the circle above the star is red': of an object referred to without its colour."""
    target = choose(rng, scene.objects)
    expression = refer(scene, target, rng, color=False)
    if expression is None:
        return None
    parts, last_end = [], 0
    for begin, end, ids in expression.phrases:
        parts += [expression.text[last_end:begin], Named(expression.text[begin:end], ids)]
        last_end = end
    return [part for part in parts if part] + [f' is {target.color}']
