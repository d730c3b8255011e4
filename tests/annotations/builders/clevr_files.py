"""A small scene of CLEVR, and programs written as nested expressions."""
import json
from pathlib import Path

# From left to right; the first is the farthest.
OBJECTS = [('large', 'red', 'metal', 'cube'), ('small', 'blue', 'rubber', 'sphere'),
           ('small', 'red', 'metal', 'sphere'), ('large', 'green', 'rubber', 'cylinder')]
BOXES = [[10 + 100 * number, 50 + 10 * number, 40, 30] for number in range(4)]


def scene() -> dict:
    names = ('size', 'color', 'material', 'shape')
    objects = [dict(zip(names, attributes), pixel_coords=[30 + 100 * number, 65 + 10 * number, 9.5])
               for number, attributes in enumerate(OBJECTS)]
    lower, higher = [list(range(number)) for number in range(4)], [list(range(number + 1, 4)) for number in range(4)]
    return dict(image_index=3, image_filename='CLEVR_train_000003.png', split='train', objects=objects,
                relationships=dict(left=lower, right=higher, behind=lower, front=higher))


def filtered(text: str, *source) -> tuple:
    """'large red cube' -> the filters on `source`, by default on the scene."""
    values = dict(zip([value for row in OBJECTS for value in row], ('size', 'color', 'material', 'shape') * 4))
    expression = source or (('scene', ), )
    for value in text.split():
        expression = ((f'filter_{values[value]} {value}', *expression), )
    return expression[0]


def unique(text: str, *source) -> tuple:
    return 'unique', filtered(text, *source)


def program(expression: tuple) -> list[dict]:
    """('count', ('filter_color red', ('scene', ))) -> steps, the innermost first."""
    steps = []

    def add(step: tuple) -> int:
        inputs = [add(source) for source in step[1:]]
        function, *values = step[0].split()
        steps.append(dict(function=function, inputs=inputs, value_inputs=values))
        return len(steps) - 1

    add(expression)
    return steps


def question(text: str, expression: tuple, answer: str, index: int = 0) -> dict:
    return dict(image_index=3, image_filename='CLEVR_train_000003.png', question=text, answer=answer, split='train',
                question_family_index=1, question_index=index, program=program(expression))


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path
