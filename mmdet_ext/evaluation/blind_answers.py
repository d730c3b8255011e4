"""How many questions can be answered without the image. A model that uses the image should be clearly better."""
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from ..annotations.annotation_json import load_json
from ..annotations.questions import question_rows, with_clevr_images

Answers = Mapping[tuple[str, ...], Counter]


def blind_accuracy(train_file: str, test_file: str) -> dict[str, float]:
    """Answer each question of a file with the most frequent answer of the most similar questions of another file.

    The most similar questions are those with exactly the same words or, if there are none, those that have the most
    words at their beginning in common. Of equally frequent answers the first in the alphabet is taken.

    Args:
        train_file: Questions with answers: of GQA, CLEVR, CLEVR-Humans or Shapes, as their data sets read them.
        test_file: The same.

    Returns:
        ``accuracy``, and ``accuracy_KIND`` of the questions of one kind (or type) where the file has kinds; ``known``
        is the share of questions that the training file has word by word, ``accuracy_known`` the accuracy of these.

    Raises:
        ValueError: If a file has no questions, or one of them no answer.
    """
    answers = defaultdict(Counter)
    for words, answer, _ in _read(train_file):
        for length in range(len(words) + 1):
            answers[words[:length]][answer] += 1
        answers[(*words, '')][answer] += 1  # an end, so that a longer question is another one
    hits = defaultdict(list)
    for words, answer, kind in _read(test_file):
        right = _most_frequent(answers, words) == answer
        hits['accuracy'].append(right)
        hits['known'].append((*words, '') in answers)
        if hits['known'][-1]:
            hits['accuracy_known'].append(right)
        if kind:
            hits[f'accuracy_{kind}'].append(right)
    return {name: sum(values) / len(values) for name, values in hits.items()}


def _most_frequent(answers: Answers, words: Sequence[str]) -> str:
    with_end = (*words, '')
    length = next(length for length in range(len(with_end), -1, -1) if with_end[:length] in answers)
    return min(answers[with_end[:length]].items(), key=lambda item: (-item[1], item[0]))[0]


def _read(file: str) -> list[tuple[tuple[str, ...], str, str | None]]:
    """Of each question its words, its answer, and its kind or else its type."""
    rows = []
    for image in question_rows(with_clevr_images(load_json(file), file), file):
        question, answer = image.get('caption'), image.get('answer')
        if not (isinstance(question, str) and isinstance(answer, str)):
            raise ValueError(f'{file}: image {image.get("id")} has the caption {question!r} and the answer {answer!r}')
        kind = image.get('question_kind') or image.get('question_type')
        rows.append((tuple(question.lower().split()), answer, kind))
    return rows
