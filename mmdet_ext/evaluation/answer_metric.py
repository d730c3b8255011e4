"""The base of the metrics of GQA and CLEVR: accuracy of answers, and a file with the answers."""
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.evaluator import BaseMetric
from mmengine.fileio import get_local_path
from mmengine.logging import print_log

from ..annotations.questions import Question
from ..files import check_writable, replace_file


class AnswerMetric(BaseMetric):
    """Share of the questions with the right answer, over all and by type and kind of question.

    Predictions are `pred_answer`, a mapping with `answer` and `question_type`; data samples have `question_id`.
    Results are

    - ``accuracy``: the answer is right; ``accuracy_TYPE`` and ``accuracy_KIND``: of questions of a type or kind;
    - ``type_accuracy``: the type of the question was recognised;
    - ``typed_accuracy``: answer and type are right. The published code chose checkpoints by it. There an answer outside
      the vocabulary counts as "unknown", so a model that says "unknown" is right; here it is wrong.

    Args:
        ann_file: The questions. If they have no answers, nothing is measured.
        read: Function that reads `ann_file`.
        types: All types of questions.
        dump_file: File for the predicted answers, written completely or not at all; None: none is written.
        dump: Function from pairs (id, answer), in the order of the questions, to the content of `dump_file`.

    Raises:
        ValueError: If a question has no prediction or two, or a prediction belongs to no question of the file.
    """

    def __init__(self, ann_file: str, *, read: Callable[[str], Mapping[int | str, Question]], types: Sequence[str],
                 dump_file: str | None, dump: Callable[[Iterable[tuple[int | str, str]]], str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ann_file = ann_file
        with get_local_path(ann_file) as path:
            self.questions = read(str(path))
        self.types = types
        self.dump = dump
        self.dump_file = None if dump_file is None else Path(dump_file)
        if self.dump_file is None and not any(question.answer for question in self.questions.values()):
            raise ValueError(f'{ann_file} has no answers, so that nothing is left to do without a dump_file')
        if self.dump_file is not None:
            check_writable(self.dump_file.parent)

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            if 'question_id' not in sample:
                raise ValueError(f'the data sample of image {sample.get("img_id")} has no question_id, by which '
                                 f'{self.ann_file} is looked up: GQADataset and ClevrDataset give it')
            key = sample['question_id']
            if key not in self.questions:
                raise ValueError(f'{self.ann_file} has no question {key!r}, for which there is a prediction')
            answer = sample.get('pred_answer')
            if not (isinstance(answer, Mapping) and isinstance(answer.get('answer'), str)):
                raise ValueError(f'question {key!r} of {self.ann_file} has no pred_answer with an answer, got '
                                 f'{answer!r}: does the model have an answer_head?')
            # of a head that does not tell types apart: '' where the file has none
            if answer.get('question_type') not in (*self.types, self.questions[key].type or ''):
                raise ValueError(f'question {key!r} of {self.ann_file}: question_type of pred_answer should be one of '
                                 f'{", ".join(self.types)}, got {answer.get("question_type")!r}')
            self.results.append((key, answer['answer'], answer['question_type']))

    def compute_metrics(self, results: list[tuple[int | str, str, str]]) -> dict[str, float]:
        answers = {key: (answer, kind) for key, answer, kind in results}
        if len(answers) < len(results):
            seen = set()
            twice = next(key for key, *_ in results if key in seen or seen.add(key))
            raise ValueError(f'there are two predictions for question {twice!r} of {self.ann_file}')
        if missing := [repr(key) for key in self.questions if key not in answers]:
            raise ValueError(f'{self.ann_file}: there are no predictions for {len(missing)} of its questions. The '
                             f'first: {", ".join(missing[:5])}')
        if self.dump_file is not None:
            with replace_file(self.dump_file) as file:
                file.write(self.dump((key, answers[key][0]) for key in self.questions).encode())
            print_log(f'{len(answers)} answers are written to {self.dump_file}', logger='current')
        hits = defaultdict(list)
        for key, question in self.questions.items():
            if question.answer is None:
                continue
            right, typed = answers[key][0] == question.answer, answers[key][1] == question.type
            hits['accuracy'].append(right)
            for group in filter(None, (question.type, question.kind)):
                hits[f'accuracy_{group}'].append(right)
            hits['type_accuracy'].append(typed)
            hits['typed_accuracy'].append(right and typed)
        return {name: sum(values) / len(values) for name, values in hits.items()}
