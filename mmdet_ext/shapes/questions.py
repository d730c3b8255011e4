"""Questions about scenes, of the kinds of CLEVR (https://arxiv.org/abs/1612.06890), and their answers.

The answer should not be guessable from the question. So a form of question (other than counting) is used for an image
only if the image allows several answers. One of the answers is drawn first, and then a question that has it.
"""
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .phrases import Text, choose, write
from .questions_attribute import compare_attribute, query_attribute
from .questions_number import compare_number, count, exist
from .referring import Parts
from .scene import Scene

# The questions of one form that an image allows, by their answers. The forms are tried in random order.
Answers = dict[str, list[Parts]]
_KINDS: dict[str, tuple[str, Callable[[Scene, np.random.RandomState], list[Callable[[], Answers]]]]] = dict(
    exist=('binary', exist),
    count=('reg', count),
    compare_number=('binary', compare_number),
    query_attribute=('attr', query_attribute),
    compare_attribute=('binary', compare_attribute))
QUESTION_KINDS = tuple(_KINDS)
# Least and greatest number of questions of an image.
_QUESTIONS = (4, 6)
# Weights of the answers 0, 1, 2, ... when one is drawn, because few images allow high counts; the last is for 5 and up.
_COUNT_WEIGHTS = (2, 3, 9, 27, 81, 243)


class Question(NamedTuple):
    """A question about a scene; its phrases name objects.

    `kind` is one of `QUESTION_KINDS`, `type` the head that answers it: 'binary' ('yes', 'no'), 'reg' (digits) or 'attr'
    (a colour, shape or size).
    """
    text: Text
    answer: str
    type: str
    kind: str


def ask(scene: Scene, rng: np.random.RandomState) -> list[Question]:
    """Four to six different questions of several kinds, or fewer if the image allows no more."""
    number = rng.randint(_QUESTIONS[0], _QUESTIONS[1] + 1)
    questions, texts = [], set()
    for turn in range(2):
        for kind in rng.permutation(QUESTION_KINDS).tolist():
            question = _ask(scene, rng, kind, turn) if len(questions) < number else None
            if question and question.text.text not in texts:
                questions.append(question)
                texts.add(question.text.text)
    return questions


def _ask(scene: Scene, rng: np.random.RandomState, kind: str, turn: int) -> Question | None:
    type_, forms_of = _KINDS[kind]
    forms = forms_of(scene, rng)
    for index in rng.permutation(len(forms)):
        answers = {answer: options for answer, options in forms[index]().items() if options}
        if len(answers) > (0 if type_ == 'reg' else 1):
            if type_ == 'binary':  # 'no' and 'yes' in turn, which is more even than a draw
                answer = sorted(answers)[(scene.image_id + turn) % 2]
            else:
                answer = _draw(rng, sorted(answers), type_)
            return Question(write(choose(rng, answers[answer])), answer, type_, kind)
    return None


def _draw(rng: np.random.RandomState, answers: list[str], type_: str) -> str:
    if type_ == 'attr':
        return choose(rng, answers)
    bounds = np.cumsum([_COUNT_WEIGHTS[min(int(answer), len(_COUNT_WEIGHTS) - 1)] for answer in answers])
    return answers[np.searchsorted(bounds, rng.randint(bounds[-1]), side='right')]
