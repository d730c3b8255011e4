"""CLEVR's functional programs, executed on the description of a scene (https://arxiv.org/abs/1612.06890, appendix)."""
from collections.abc import Sequence

from msgspec import Struct

from ..json_rows import Box, Number

ATTRIBUTES = ('size', 'color', 'material', 'shape')
_SIDES = ('left', 'right', 'front', 'behind')
_NUMBERS = {
    'equal_integer': lambda a, b: a == b,
    'less_than': lambda a, b: a < b,
    'greater_than': lambda a, b: a > b,
}


class UnknownFunctionError(ValueError):
    """A program uses a function that questions of CLEVR do not have."""


class Step(Struct):
    """A step of a program: its function, the steps whose results it takes, and its values.

    CLEVR-Ref+ has other names of two fields, `type` and `side_inputs`.
    """
    function: str = ''
    type: str = ''
    inputs: list[int] = []
    value_inputs: list[str] = []
    side_inputs: list[str] = []

    def __post_init__(self) -> None:
        self.function = self.function or self.type
        if not self.function:
            raise ValueError('A step of a program should have a function')

    @property
    def value(self) -> str:
        """The values, '' for none."""
        return ' '.join(self.value_inputs or self.side_inputs)


class ObjectRow(Struct):
    """An object of a scene."""
    size: str
    color: str
    material: str
    shape: str
    bbox: Box | None = None
    pixel_coords: list[Number] = []


class SceneRow(Struct):
    """A scene as files have it.

    `relationships` has for 'left', 'right', 'front' and 'behind' and each object the numbers of those on that side.
    """
    image_index: int
    image_filename: str
    objects: list[ObjectRow]
    relationships: dict[str, list[list[int]]]
    obj_bbox: dict[str, Box] | None = None


Result = tuple[int, ...] | int | str | bool  # numbers of objects, a count, an attribute, or whether something is so


def run_program(steps: Sequence[Step], scene: SceneRow, location: str) -> list[Result]:
    """The result of each step.

    Raises:
        UnknownFunctionError: For a function that CLEVR does not have.
        ValueError: If a step has the wrong inputs, or is to find the one object where there are none or several.
    """
    results = []
    for number, step in enumerate(steps):
        name = f'{location}: step {number} of the program, {step.function}'
        if not all(0 <= source < number for source in step.inputs):
            raise ValueError(f'{name}, should have inputs among the steps before it, got {step.inputs}')
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


def _run(step: Step, inputs: Sequence[Result], scene: SceneRow, name: str) -> Result:
    function, _, attribute = step.function.partition('_')
    if step.function == 'scene':
        return tuple(range(len(scene.objects)))
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
        return tuple(i for i in inputs[0] if getattr(scene.objects[i], attribute) == step.value)
    if step.function in ('unique', 'relate') or (attribute in ATTRIBUTES and function in ('same', 'query')):
        return _run_on_one(step, inputs[0], scene, name)
    raise UnknownFunctionError(f'{name}, is none that questions of CLEVR have')


def _run_on_one(step: Step, objects: tuple[int, ...], scene: SceneRow, name: str) -> Result:
    if len(objects) != 1:
        raise ValueError(f'{name}, needs one object, and {len(objects)} fit')
    function, _, attribute = step.function.partition('_')
    if function == 'unique':
        return objects
    if function == 'relate':
        if step.value not in _SIDES:
            raise ValueError(f'{name}, should have one of the sides {", ".join(_SIDES)}, got {step.value!r}')
        return tuple(sorted(scene.relationships[step.value][objects[0]]))
    values = [getattr(thing, attribute) for thing in scene.objects]
    if function == 'query':
        return values[objects[0]]
    return tuple(i for i, value in enumerate(values) if i != objects[0] and value == values[objects[0]])
