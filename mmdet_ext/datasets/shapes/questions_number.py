"""Questions about numbers of objects: is there one, how many are there, are there more of these than of those?"""
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from itertools import permutations, product

import numpy as np

from ...text.wording import article
from .phrases import RELATION_WORDS, Description, Named, choose, definite, denoted
from .referring import Parts, beside, unique_looks
from .scene import COLORS, RELATIONS, SHAPE_CLASSES, SIZES, Scene

Answers = dict[str, list[Parts]]
_VALUES = dict(size=SIZES, color=tuple(COLORS), shape=SHAPE_CLASSES)
_EXIST = (('color', ), ('shape', ), ('size', 'color'), ('size', 'shape'), ('color', 'shape'),
          ('size', 'color', 'shape'))
_EXIST_BESIDE = (('color', ), ('shape', ), ('size', ), ('color', 'shape'))
# Twice what reaches higher counts.
_COUNT = ((), (), ('size', ), ('size', ), ('color', ), ('shape', ), ('size', 'shape'), ('size', 'color'))
_COUNT_BESIDE = ((), (), (), ('size', ), ('size', ), ('color', ), ('shape', ))
_COMPARE = (('size', ), ('color', ), ('shape', ), ('size', 'shape'), ('size', 'color'))


def exist(scene: Scene, rng: np.random.RandomState) -> list[Callable[[], Answers]]:
    """'is there a red circle?', 'is there a red circle left of the star?'"""
    return [*(partial(_exist, scene, rng, names) for names in _EXIST),
            *(partial(_exist_beside, scene, rng, names) for names in _EXIST_BESIDE)]


def count(scene: Scene, rng: np.random.RandomState) -> list[Callable[[], Answers]]:
    """'how many small shapes are there?', 'how many circles are left of the blue square?'"""
    return [*(partial(_count, scene, names) for names in _COUNT),
            *(partial(_count_beside, scene, rng, names) for names in _COUNT_BESIDE)]


def compare_number(scene: Scene, rng: np.random.RandomState) -> list[Callable[[], Answers]]:
    """'are there more circles than squares?', 'are there fewer ...?', 'are there as many circles as squares?'"""
    forms = (('more', 'than'), ('fewer', 'than'), ('as many', 'as'))
    return [partial(_compare, scene, names, *form) for names in _COMPARE for form in forms]


def _exist(scene: Scene, rng: np.random.RandomState, names: Sequence[str]) -> Answers:
    answers, near = defaultdict(list), []
    for description in _all_looks(names):
        ids = denoted(scene, description)
        answers['yes' if ids else 'no'].append(_is_there(description, ids, []))
        if not ids and _is_near(scene, description, names):
            near.append(answers['no'][-1])
    return _sharpen(answers, near, rng)


def _exist_beside(scene: Scene, rng: np.random.RandomState, names: Sequence[str]) -> Answers:
    answers, near = defaultdict(list), []
    for description, ids, found, landmark in _beside_landmark(scene, rng, names):
        answers['yes' if found else 'no'].append(_is_there(description, found, landmark))
        if ids and not found:
            near.append(answers['no'][-1])
    return _sharpen(answers, near, rng)


def _count(scene: Scene, names: Sequence[str]) -> Answers:
    answers = defaultdict(list)
    for description in _all_looks(names):
        ids = denoted(scene, description)
        answers[str(len(ids))].append(_how_many(description, ids, ' there'))
    return answers


def _count_beside(scene: Scene, rng: np.random.RandomState, names: Sequence[str]) -> Answers:
    answers = defaultdict(list)
    for description, _, found, landmark in _beside_landmark(scene, rng, names):
        answers[str(len(found))].append(_how_many(description, found, *landmark))
    return answers


def _compare(scene: Scene, names: Sequence[str], form: str, than: str) -> Answers:
    answers = defaultdict(list)
    known = [(description, denoted(scene, description)) for description in _all_looks(names)]
    for (first, ids), (second, other_ids) in permutations(known, 2):
        if not ids and not other_ids:
            continue
        more, equal = len(ids) > len(other_ids), len(ids) == len(other_ids)
        true = equal if form == 'as many' else more if form == 'more' else not more and not equal
        parts = [f'are there {form} ', Named(first.words(2), ids), f' {than} ', Named(second.words(2), other_ids), '?']
        answers['yes' if true else 'no'].append(parts)
    return answers


def _beside_landmark(scene: Scene, rng: np.random.RandomState, names: Sequence[str]
                     ) -> list[tuple[Description, tuple[int, ...], tuple[int, ...], Parts]]:
    """For a random place beside a random object: looks, who fits them, who of these is there, and words for the place.

    Nobody who fits is there by less than a clear margin, and what is called the object is not asked for.
    """
    places = [(obj, own) for obj in scene.objects for own in unique_looks(scene, obj)]
    if not places:
        return []
    landmark, own = choose(rng, places)
    predicate = choose(rng, RELATIONS)
    clearly, barely = beside(scene, predicate, landmark)
    words = [f' {RELATION_WORDS[predicate]} ', definite(own, (landmark.id, ))]
    found = []
    for description in _all_looks(names):
        ids = denoted(scene, description)
        if not barely.intersection(ids) and not _implies(description, own):
            found.append((description, ids, tuple(id_ for id_ in ids if id_ in clearly), words))
    return found


def _is_there(description: Description, ids: tuple[int, ...], landmark: Parts) -> Parts:
    words = description.words()
    return ['is there ', Named(f'{article(words)} {words}', ids), *landmark, '?']


def _how_many(description: Description, ids: tuple[int, ...], *place: str | Named) -> Parts:
    first, *rest = place
    return ['how many ', Named(description.words(2), ids), f' are{first}', *rest, '?']


def _sharpen(answers: Answers, near: list[Parts], rng: np.random.RandomState) -> Answers:
    """Half of the time, 'no' only where something is almost as asked for."""
    return answers | dict(no=near) if near and rng.randint(2) else answers


def _is_near(scene: Scene, description: Description, names: Sequence[str]) -> bool:
    """Whether an object has all of several looks but one."""
    return len(names) > 1 and any(
        sum(getattr(obj, name) == getattr(description, name) for name in names) == len(names) - 1
        for obj in scene.objects)


def _implies(description: Description, other: Description) -> bool:
    """Whether all that fits `description` fits the other one."""
    return all(wanted in (None, own) for own, wanted in zip(description, other, strict=True))


def _all_looks(names: Sequence[str]) -> list[Description]:
    """Every description by these attributes."""
    nothing = Description(None, None, None)
    return [nothing._replace(**dict(zip(names, values, strict=True)))
            for values in product(*(_VALUES[name] for name in names))]
