"""Answers to the questions of CLEVR: https://arxiv.org/abs/1612.06890."""
from collections.abc import Iterable
from typing import Any

from mmdet.registry import METRICS

from ..annotations.questions import CLEVR_TYPES, read_clevr_questions
from .answer_metric import AnswerMetric


@METRICS.register_module()
class ClevrMetric(AnswerMetric):
    """Accuracy ``clevr/accuracy``, by type (``clevr/accuracy_binary``, attr, reg) and, where known, by kind.

    Kinds are exist, count, compare_number, query_attribute and compare_attribute; CLEVR's own question files and those
    of Shapes tell them.

    Args:
        ann_file: Questions of CLEVR, CLEVR-Humans or Shapes in any form that `ClevrDataset` reads.
        dump_file: Where to write the answers, one a line in the order of the questions, as CLEVR's authors take them.
            Splits without answers need it.
    """

    default_prefix = 'clevr'

    def __init__(self, ann_file: str, *, dump_file: str | None = None, **kwargs: Any) -> None:
        super().__init__(ann_file, read=read_clevr_questions, types=CLEVR_TYPES, dump_file=dump_file, dump=_lines,
                         **kwargs)


def _lines(answers: Iterable[tuple[int | str, str]]) -> str:
    return ''.join(f'{answer}\n' for _, answer in answers)
