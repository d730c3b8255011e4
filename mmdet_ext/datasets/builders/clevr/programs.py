"""CLEVR's functional programs, executed on the description of a scene (https://arxiv.org/abs/1612.06890, appendix)."""
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

ATTRIBUTES = ('size', 'color', 'material', 'shape')
_SIDES = ('left', 'right', 'front', 'behind')
_NUMBERS = {
    'equal_integer': lambda a, b: a == b,
    'less_than': lambda a, b: a < b,
    'greater_than': lambda a, b: a > b,
}


class UnknownFunctionError(ValueError):
    """A program uses a function that questions of CLEVR do not have."""


class StepRow(Struct):
    """A step of a program as files have it; CLEVR-Ref+ has other names of two fields."""
    function: str = ''
    type: str = ''
    inputs: list[int] = []
    value_inputs: list[str] = []
    side_inputs: list[str] = []


class Step(NamedTuple):
    """A step of a program: its function, the steps whose results it takes, and its value ('' for none)."""
    function: str
    inputs: Sequence[int]
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


def read_program(rows: Sequence[StepRow], where: str) -> list[Step]:
    """The steps of a program; `where` names file and question in errors.

    Raises:
        ValueError: If a step has no function, or takes the result of a later one.
    """
    steps = []
    for number, row in enumerate(rows):
        function = row.function or row.type
        if not function or not all(0 <= source < number for source in row.inputs):
            raise ValueError(f'{where}: step {number} of the program should have a function, and inputs among the '
                             f'steps before it, got {row}')
        steps.append(Step(function, row.inputs, ' '.join(row.value_inputs or row.side_inputs)))
    return steps


def run_program(steps: Sequence[Step], scene: Objects, where: str) -> list[Result]:
    """The result of each step.

    Raises:
        UnknownFunctionError: For a function that CLEVR does not have.
        ValueError: If a step has the wrong inputs, or is to find the one object where there are none or several.
    """
    results = []
    for number, step in enumerate(steps):
        name = f'{where}: step {number} of the program, {step.function}'
        inputs = [results[source] for source in step.inputs]
        try:
            results.append(_run(step, inputs, scene, name))
        except (TypeError, IndexError, KeyError) as error:
            raise ValueError(f'{name}, does not fit its inputs {inputs} or the scene ({type(error).__name__}: {error})'
                             ) from error
    return results


def as_answer(result: Result) -> str:
    """'yes', 'no', a number or an attribute."""
    if isinstance(result, bool):
        return 'yes' if result else 'no'
    return str(result)


def _run(step: Step, inputs: Sequence[Result], scene: Objects, name: str) -> Result:
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
    if step.function in ('unique', 'relate') or (attribute in ATTRIBUTES and function in ('same', 'query')):
        return _run_on_one(step, inputs[0], scene, name)
    raise UnknownFunctionError(f'{name}, is none that questions of CLEVR have')


def _run_on_one(step: Step, objects: tuple[int, ...], scene: Objects, name: str) -> Result:
    if len(objects) != 1:
        raise ValueError(f'{name}, needs one object, and {len(objects)} fit')
    function, _, attribute = step.function.partition('_')
    if function == 'unique':
        return objects
    if function == 'relate':
        if step.value not in _SIDES:
            raise ValueError(f'{name}, should have one of the sides {", ".join(_SIDES)}, got {step.value!r}')
        return tuple(sorted(scene.relations[step.value][objects[0]]))
    value = scene.attributes[objects[0]][attribute]
    if function == 'query':
        return value
    return tuple(i for i, other in enumerate(scene.attributes) if i != objects[0] and other[attribute] == value)
