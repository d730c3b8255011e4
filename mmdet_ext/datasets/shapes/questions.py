"""Questions about scenes, of the kinds of CLEVR (https://arxiv.org/abs/1612.06890), with answers from the scene alone.

Nothing in a question should tell its answer. A form of question, those that count aside, is only used on a picture that
gives it several answers, of which one is drawn first and then a question with that answer.
"""
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .phrases import Text, choose, write
from .questions_attribute import compare_attribute, query_attribute
from .questions_number import compare_number, count, exist
from .referring import Parts
from .scene import Scene

# What a form of question has to offer on a picture: questions by their answers. The forms are tried in random order.
Answers = dict[str, list[Parts]]
_KINDS: dict[str, tuple[str, Callable[[Scene, np.random.RandomState], list[Callable[[], Answers]]]]] = dict(
    exist=('binary', exist),
    count=('reg', count),
    compare_number=('binary', compare_number),
    query_attribute=('attr', query_attribute),
    compare_attribute=('binary', compare_attribute))
QUESTION_KINDS = tuple(_KINDS)
# Of one picture, both ends included.
_QUESTIONS = (4, 6)
# Higher counts are possible in fewer pictures: what each of them weighs, the last one also for those above.
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
    """Four to six different questions of varied kinds; fewer where a picture does not give so many."""
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
        answers = {answer: found for answer, found in forms[index]().items() if found}
        if len(answers) > (0 if type_ == 'reg' else 1):
            if type_ == 'binary':  # 'no' and 'yes' by turns, which is more even than by chance
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
