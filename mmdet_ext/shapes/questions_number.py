"""Questions about counts: whether an object exists, how many there are, and of which there are more."""
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from itertools import permutations, product

import numpy as np

from ..text.wording import article
from .phrases import RELATION_WORDS, Description, Named, choose, definite, denoted
from .referring import Parts, beside, unique_looks
from .scene import COLORS, RELATIONS, SHAPE_CLASSES, SIZES, Scene

Answers = dict[str, list[Parts]]
_VALUES = dict(size=SIZES, color=tuple(COLORS), shape=SHAPE_CLASSES)
_EXIST = (('color', ), ('shape', ), ('size', 'color'), ('size', 'shape'), ('color', 'shape'),
          ('size', 'color', 'shape'))
_EXIST_BESIDE = (('color', ), ('shape', ), ('size', ), ('color', 'shape'))
# Forms that give higher counts are listed twice.
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
    for description, ids, beside_ids, landmark in _beside_landmark(scene, rng, names):
        answers['yes' if beside_ids else 'no'].append(_is_there(description, beside_ids, landmark))
        if ids and not beside_ids:
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
    for description, _, beside_ids, landmark in _beside_landmark(scene, rng, names):
        answers[str(len(beside_ids))].append(_how_many(description, beside_ids, *landmark))
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
    """Draw an object as the landmark and a side of it; return descriptions of objects, and which objects they fit.

    Descriptions are left out that fit an object which is on that side by less than the margin, or the landmark itself.

    Returns:
        Tuples of a description, the ids that it fits, those of them on that side, and the words for the side.
    """
    landmarks = [(obj, description) for obj in scene.objects for description in unique_looks(scene, obj)]
    if not landmarks:
        return []
    landmark, landmark_looks = choose(rng, landmarks)
    predicate = choose(rng, RELATIONS)
    clearly, barely = beside(scene, predicate, landmark)
    words = [f' {RELATION_WORDS[predicate]} ', definite(landmark_looks, (landmark.id, ))]
    rows = []
    for description in _all_looks(names):
        ids = denoted(scene, description)
        if not barely.intersection(ids) and not _implies(description, landmark_looks):
            rows.append((description, ids, tuple(id_ for id_ in ids if id_ in clearly), words))
    return rows


def _is_there(description: Description, ids: tuple[int, ...], landmark: Parts) -> Parts:
    words = description.words()
    return ['is there ', Named(f'{article(words)} {words}', ids), *landmark, '?']


def _how_many(description: Description, ids: tuple[int, ...], *position: str | Named) -> Parts:
    first, *rest = position
    return ['how many ', Named(description.words(2), ids), f' are{first}', *rest, '?']


def _sharpen(answers: Answers, near: list[Parts], rng: np.random.RandomState) -> Answers:
    """In half of the cases keep of the questions answered 'no' only those about something that is almost there."""
    return answers | dict(no=near) if near and rng.randint(2) else answers


def _is_near(scene: Scene, description: Description, names: Sequence[str]) -> bool:
    """Whether an object has all attributes of a description but one."""
    return len(names) > 1 and any(
        sum(getattr(obj, name) == getattr(description, name) for name in names) == len(names) - 1
        for obj in scene.objects)


def _implies(description: Description, other: Description) -> bool:
    """Whether every object that fits `description` fits `other`."""
    return all(wanted in (None, value) for value, wanted in zip(description, other, strict=True))


def _all_looks(names: Sequence[str]) -> list[Description]:
    """All descriptions that name these attributes."""
    nothing = Description(None, None, None)
    return [nothing._replace(**dict(zip(names, values, strict=True)))
            for values in product(*(_VALUES[name] for name in names))]
