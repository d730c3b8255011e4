"""CLEVR's functional programs, executed on the description of a scene (https://arxiv.org/abs/1612.06890, appendix)."""
from collections.abc import Mapping, Sequence
from typing import NamedTuple

ATTRIBUTES = ('size', 'color', 'material', 'shape')
_SIDES = ('left', 'right', 'front', 'behind')
_NUMBERS = {
    'equal_integer': lambda a, b: a == b,
    'less_than': lambda a, b: a < b,
    'greater_than': lambda a, b: a > b,
}


class UnknownFunction(ValueError):
    """A program that uses a function which questions of CLEVR do not have."""


class Step(NamedTuple):
    """A step of a program: its function, the steps whose results it takes, and its value ('' for none)."""
    function: str
    inputs: tuple[int, ...]
    value: str


class Objects(NamedTuple):
    """Objects of a scene.

    Attributes:
        attributes: Size, color, material and shape of each.
        relations: Under 'left', 'right', 'front' and 'behind' for each object the numbers of those on that side of it.
    """
    attributes: Sequence[Mapping[str, str]]
    relations: Mapping[str, Sequence[Sequence[int]]]


Result = tuple[int, ...] | int | str | bool  # numbers of objects, a count, an attribute, or whether something is so


def read_program(program: object, where: str) -> list[Step]:
    """A program as questions have it.

    Args:
        program: Steps with `function` (or `type`), `inputs` and `value_inputs` (or `side_inputs`).
        where: File and question, for errors.

    Raises:
        ValueError: If it is none, or a step takes the result of a later one.
    """
    if not (isinstance(program, list) and program):
        raise ValueError(f'{where}: program should be a list of steps, got {program!r}')
    steps = []
    for place, row in enumerate(program):
        row = row if isinstance(row, Mapping) else {}
        function = row.get('function', row.get('type'))
        inputs = row.get('inputs', [])
        values = row.get('value_inputs', row.get('side_inputs', []))
        good = isinstance(function, str) and isinstance(values, list) and all(isinstance(v, str) for v in values) \
            and isinstance(inputs, list) and all(type(i) is int and 0 <= i < place for i in inputs)
        if not good:
            raise ValueError(f'{where}: step {place} of the program should have a function, inputs among the steps '
                             f'before it and values, got {program[place]!r}')
        steps.append(Step(function, tuple(inputs), ' '.join(values)))
    return steps


def run_program(steps: Sequence[Step], scene: Objects, where: str) -> list[Result]:
    """The result of each step.

    Raises:
        UnknownFunction: For a function that CLEVR does not have.
        ValueError: If a step has the wrong inputs, or is to find the one object where there are none or several.
    """
    results = []
    for place, step in enumerate(steps):
        own = f'{where}: step {place} of the program, {step.function}'
        inputs = [results[i] for i in step.inputs]
        try:
            results.append(_run(step, inputs, scene, own))
        except (TypeError, IndexError, KeyError) as error:
            raise ValueError(f'{own}, does not fit its inputs {inputs} or the scene ({type(error).__name__}: {error})'
                             ) from error
    return results


def as_answer(result: Result) -> str:
    """'yes', 'no', a number or an attribute."""
    if isinstance(result, bool):
        return 'yes' if result else 'no'
    return str(result)


def _run(step: Step, inputs: Sequence[Result], scene: Objects, where: str) -> Result:
    function, _, attribute = step.function.partition('_')
    if step.function == 'scene':
        return tuple(range(len(scene.attributes)))
    if step.function in _NUMBERS:
        return _NUMBERS[step.function](inputs[0], inputs[1])
    if attribute in ATTRIBUTES and function == 'equal':
        return inputs[0] == inputs[1]
    if step.function in ('union', 'intersect'):
        first, second = set(inputs[0]), set(inputs[1])
        return tuple(sorted(first | second if step.function == 'union' else first & second))
    if step.function in ('count', 'exist'):
        return len(inputs[0]) if step.function == 'count' else len(inputs[0]) > 0
    if attribute in ATTRIBUTES and function == 'filter':
        return tuple(i for i in inputs[0] if scene.attributes[i][attribute] == step.value)
    if step.function == 'unique' or step.function == 'relate' or function in ('same', 'query'):
        return _run_on_one(step, inputs[0], scene, where)
    raise UnknownFunction(f'{where}, is none that questions of CLEVR have')


def _run_on_one(step: Step, objects: tuple[int, ...], scene: Objects, where: str) -> Result:
    if len(objects) != 1:
        raise ValueError(f'{where}, needs one object, and {len(objects)} fit')
    function, _, attribute = step.function.partition('_')
    if step.function == 'unique':
        return objects
    if step.function == 'relate':
        if step.value not in _SIDES:
            raise ValueError(f'{where}, should have one of the sides {", ".join(_SIDES)}, got {step.value!r}')
        return tuple(sorted(scene.relations[step.value][objects[0]]))
    if attribute not in ATTRIBUTES:
        raise UnknownFunction(f'{where}, is none that questions of CLEVR have')
    own = scene.attributes[objects[0]][attribute]
    if function == 'query':
        return own
    return tuple(i for i, other in enumerate(scene.attributes) if i != objects[0] and other[attribute] == own)
