"""CLEVR's functional programs, executed on the description of a scene (https://arxiv.org/abs/1612.06890, appendix)."""
from collections.abc import Sequence

from msgspec import Struct

from .scenes import SceneRow

ATTRIBUTES = ('size', 'color', 'material', 'shape')
_SIDES = ('left', 'right', 'front', 'behind')
_OF_ONE_OBJECT = ('unique', 'relate', 'query_attribute', 'same_attribute')
Result = tuple[int, ...] | int | str | bool  # numbers of objects, a count, an attribute, or whether something is so


class NotFollowedError(ValueError):
    """A program has functions that CLEVR does not have, or the words of its question do not fit it."""


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


def run_program(steps: Sequence[Step], scene: SceneRow, location: str) -> list[Result]:
    """The result of each step.

    Raises:
        NotFollowedError: For a function that CLEVR does not have.
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
    return {True: 'yes', False: 'no'}[result] if isinstance(result, bool) else str(result)


def _run(step: Step, inputs: Sequence[Result], scene: SceneRow, name: str) -> Result:
    function, (verb, _, attribute), values = step.function, step.function.partition('_'), []
    if attribute in ATTRIBUTES:
        function, values = f'{verb}_attribute', [getattr(thing, attribute) for thing in scene.objects]
    if function in _OF_ONE_OBJECT and len(inputs[0]) != 1:
        raise ValueError(f'{name}, needs one object, and {len(inputs[0])} fit')
    match function:
        case 'scene':
            return tuple(range(len(scene.objects)))
        case 'equal_integer' | 'equal_attribute':
            return inputs[0] == inputs[1]
        case 'less_than':
            return inputs[0] < inputs[1]
        case 'greater_than':
            return inputs[0] > inputs[1]
        case 'union':
            return tuple(sorted({*inputs[0], *inputs[1]}))
        case 'intersect':
            return tuple(sorted({*inputs[0]} & {*inputs[1]}))
        case 'count':
            return len(inputs[0])
        case 'exist':
            return len(inputs[0]) > 0
        case 'filter_attribute':
            return tuple(i for i in inputs[0] if values[i] == step.value)
        case 'unique':
            return inputs[0]
        case 'query_attribute':
            return values[inputs[0][0]]
        case 'same_attribute':
            one, = inputs[0]
            return tuple(i for i, value in enumerate(values) if i != one and value == values[one])
        case 'relate':
            if step.value not in _SIDES:
                raise ValueError(f'{name}, should have one of the sides {", ".join(_SIDES)}, got {step.value!r}')
            return tuple(sorted(scene.relationships[step.value][inputs[0][0]]))
    raise NotFollowedError('programs with functions that CLEVR does not have')
