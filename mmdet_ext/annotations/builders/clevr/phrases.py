"""Which words of a question of CLEVR name the objects that its program finds.

Questions are made from templates, in which each set of objects that a program goes through, with the filters on it,
stands as one phrase: sizes, colors and materials in front of a noun ('big shiny cubes', 'things'). Phrases and sets
are paired in the order of both:

1. The sets of a program are listed from its end: a set, then the sets that it was found from, the first input first.
   'What is behind the cube left of the ball' has (things behind), (cubes), (balls).
2. In 'There is a ball; what is left of it?' the words before the semicolon name the last sets of the list, which then
   come first, if the program does not branch.
3. A union may have a noun of its own ('how many things are cubes or balls') or none.
4. Filters and words must agree. Where they do not in that order, words that fit one set only are paired with it.

'It' names nothing. Spans cover adjectives and noun.
"""
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from .scenes import NotFollowedError, Result, Step

_ADJECTIVES = {
    'small': 'small', 'tiny': 'small', 'large': 'large', 'big': 'large',
    **{color: color for color in ('gray', 'red', 'blue', 'green', 'brown', 'purple', 'cyan', 'yellow')},
    'rubber': 'rubber', 'matte': 'rubber', 'metal': 'metal', 'metallic': 'metal', 'shiny': 'metal'
}
_NOUNS = {'thing': '', 'object': '', 'anything': '', 'cube': 'cube', 'block': 'cube', 'sphere': 'sphere',
          'ball': 'sphere', 'cylinder': 'cylinder'}
_PHRASE = re.compile(rf'\b((?:(?:{"|".join(_ADJECTIVES)})\s+)*)({"|".join(_NOUNS)})(?:\(s\)|s\b|\b)', re.IGNORECASE)


class Phrase(NamedTuple):
    """Words of a question: characters [begin, end), and the attributes that they tell."""
    span: list[int]
    attributes: frozenset[str]


class ObjectSet(NamedTuple):
    """Objects that a program goes through: numbers, the filters on them, and whether words for them may be missing."""
    objects: tuple[int, ...]
    attributes: frozenset[str]
    optional: bool


Pairs = list[tuple[tuple[int, ...], list[int]]]  # numbers of objects, and the span that names them


def phrases_of(question: str) -> list[Phrase]:
    """The phrases of a question that may name objects, in their order."""
    phrases = []
    for match in _PHRASE.finditer(question):
        words = {_ADJECTIVES[word] for word in match[1].lower().split()} | {_NOUNS[match[2].lower()]}
        phrases.append(Phrase(list(match.span()), frozenset(words - {''})))
    return phrases


def object_spans(question: str, steps: Sequence[Step], results: Sequence[Result]) -> dict[int, list[list[int]]]:
    """The spans of each object that a question names, in the order of the text, by the number of the object.

    Raises:
        NotFollowedError: If words and program, with the results of its steps, do not fit.
    """
    phrases = phrases_of(question)
    sets = _sets(steps, results, len(steps) - 1)
    orders = [sets]
    if ';' in question:
        first = sum(phrase.span[0] < question.index(';') for phrase in phrases)
        turned = sets[-first:] + sets[:-first] if first else sets
        branches = any(step.function in ('union', 'intersect') or len(step.inputs) > 1 for step in steps)
        orders = [sets, turned] if branches else [turned, sets]
    attempts = [*(_pair_in_order(order, phrases) for order in orders), _pair_by_attributes(sets, phrases)]
    pairs = next((pairs for pairs in attempts if pairs is not None), None)
    if pairs is None:
        raise NotFollowedError('words that do not follow the program')
    spans = {}
    for objects, span in sorted(pairs, key=lambda pair: pair[1]):
        for number in objects:
            spans.setdefault(number, []).append(span)
    return dict(sorted(spans.items()))


def _sets(steps: Sequence[Step], results: Sequence[Result], last: int,
          in_intersection: bool = False) -> list[ObjectSet]:
    """The sets behind a step, itself included."""
    step, filters = steps[last], set()
    while step.function.startswith('filter_') or step.function == 'unique':
        if step.function != 'unique':
            filters.add(step.value)
        step = steps[step.inputs[0]]
    is_set = step.function in ('scene', 'relate', 'union', 'intersect') or step.function.startswith('same_')
    sets = []
    if is_set and (filters or not in_intersection):
        sets = [ObjectSet(results[last], frozenset(filters), step.function == 'union' and not filters)]
    inside = step.function == 'intersect'
    return sets + [inner for source in step.inputs for inner in _sets(steps, results, source, inside)]


def _pair_in_order(sets: Sequence[ObjectSet], phrases: Sequence[Phrase]) -> Pairs | None:
    """Objects and span of each phrase if sets and phrases agree in their order."""
    pairs = []
    for objects, attributes, optional in sets:
        if len(pairs) < len(phrases) and attributes == phrases[len(pairs)].attributes:
            pairs.append((objects, phrases[len(pairs)].span))
        elif not optional:
            return None
    return pairs if len(pairs) == len(phrases) else None


def _pair_by_attributes(sets: Sequence[ObjectSet], phrases: Sequence[Phrase]) -> Pairs | None:
    """Objects and span of each set if no two sets, and no two phrases, have the same attributes."""
    spans = {phrase.attributes: phrase.span for phrase in phrases}
    counts = Counter(objects.attributes for objects in sets)
    if len(spans) < len(phrases) or max(counts.values(), default=0) > 1 or spans.keys() != counts.keys():
        return None
    return [(objects.objects, spans[objects.attributes]) for objects in sets]
