"""Answers to the questions of GQA: https://arxiv.org/abs/1902.09506."""
import json
from collections.abc import Iterable
from typing import Any

from mmdet.registry import METRICS

from ..annotations.questions import GQA_TYPES, read_gqa_questions
from .answer_metric import AnswerMetric


@METRICS.register_module()
class GQAMetric(AnswerMetric):
    """Accuracy ``gqa/accuracy`` and by type, ``gqa/accuracy_obj`` (attr, rel, global, cat), and a file for EvalAI.

    Args:
        ann_file: finetune_gqa_*.json.
        dump_file: Where to write ``[{"questionId": ..., "prediction": ...}]`` of all questions. Splits without answers
            (test, challenge, submission) need it.
    """

    default_prefix = 'gqa'

    def __init__(self, ann_file: str, *, dump_file: str | None = None, **kwargs: Any) -> None:
        super().__init__(ann_file, read=read_gqa_questions, types=GQA_TYPES, dump_file=dump_file, dump=_eval_ai,
                         **kwargs)


def _eval_ai(answers: Iterable[tuple[int | str, str]]) -> str:
    rows = [dict(questionId=key, prediction=answer) for key, answer in answers]
    return json.dumps(rows, separators=(',', ':')) + '\n'
