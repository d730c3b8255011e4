"""MDETR's heads for answers (https://arxiv.org/abs/2104.12763): one query and one classifier for each type of
question."""
from collections.abc import Mapping, Sequence
from functools import partial
from os import PathLike

import torch
import torch.nn as nn
from mmdet.models.layers import MLP
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample, SampleList
from mmengine.model import BaseModule
from torch import Tensor

from ...transfers import to_device, to_host
from ..losses.answer_loss import NO_ANSWER, answer_loss, chosen_answers
from .answer_vocabulary import AnswerVocabulary, clevr_answers, gqa_answers, gqa_origin, name_of

GQA_TYPES = ('obj', 'attr', 'rel', 'global', 'cat')
GQA_SIZES = {'obj': 3, 'rel': 1594, 'attr': 403, 'cat': 678, 'global': 111}  # in the order of the queries
GQA_TOTAL = 1853
CLEVR_TYPES = ('binary', 'attr', 'reg')
CLEVR_ATTRIBUTES = ('small', 'large', 'gray', 'red', 'blue', 'green', 'brown', 'purple', 'cyan', 'yellow', 'cube',
                    'sphere', 'cylinder', 'rubber', 'metal')


class AnswerHead(BaseModule):
    """One query predicts the type of a question; for each type, one more query predicts the answer.

    As in the published code, and as its checkpoints need, answers are predicted from the output of the first decoder
    layer. All queries are 0 at its input, so the queries of objects cannot influence the answers.

    Args:
        embed_dims: C.
        branches: For each type, in the order of the queries, a module from states (B, C) to logits (B, answers), or (B,
            ) for yes against no. If `types` is empty, one branch 'total' for all questions.
        types: The types in the order of their indices.
        vocabulary: The answers of each branch.
        loss_weights: Factors of the losses by their names, 1 where none is given.
        init_cfg: As in mmengine.
    """

    def __init__(self, embed_dims: int, branches: Mapping[str, nn.Module], types: Sequence[str],
                 vocabulary: AnswerVocabulary, *, loss_weights: Mapping[str, float], init_cfg: dict | None) -> None:
        super().__init__(init_cfg)
        self.types = tuple(types)
        self.vocabulary = vocabulary
        self.loss_weights = dict(loss_weights)
        self.query_embedding = nn.Embedding(len(branches) + bool(types), embed_dims)
        self.fc_type = nn.Linear(embed_dims, len(types)) if types else None
        self.branches = nn.ModuleDict(branches)

    def forward(self, hidden_states: Tensor) -> dict[str, Tensor]:
        """Logits of the type of the question, under 'type', and of the answers of each type.

        Args:
            hidden_states: (layers, B, A, C) of this head's queries; only the first layer is used.
        """
        layers = {} if self.fc_type is None else dict(type=self.fc_type)
        layers |= self.branches.items()
        return {name: layer(hidden_states[0, :, i]).float() for i, (name, layer) in enumerate(layers.items())}

    def loss(self, hidden_states: Tensor, batch_data_samples: SampleList) -> dict[str, Tensor]:
        """`loss_answer_*` and the accuracies `accuracy_answer_*` of the type and the answers of each type.

        `accuracy_answer_total` is the share of questions whose type and answer are right.

        Args:
            hidden_states: As for `forward`.
            batch_data_samples: With `answer` and `question_type` in their meta information.
        """
        return self.loss_by_feat(self(hidden_states), self.targets(batch_data_samples))

    def loss_by_feat(self, logits: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """As `loss`, from the outputs of `forward` and `targets`. Of each question only the answer of its type
        counts."""
        losses, right, device = {}, {}, next(iter(logits.values())).device
        targets = dict(zip(targets, to_device(torch.stack(list(targets.values())), device)))
        for name, branch_logits in logits.items():
            asked = targets['type'] == self.types.index(name) if name in self.types else None
            result = answer_loss(branch_logits, targets[name], asked)
            losses[f'loss_answer_{name}'] = self.loss_weights.get(name, 1.) * result.loss
            losses[f'accuracy_answer_{name}'] = result.accuracy
            right[name] = result.right
        if self.types:
            right_type = right.pop('type')
            losses['accuracy_answer_total'] = (right_type & torch.stack(list(right.values())).any(dim=0)).float().mean()
        return losses

    def targets(self, samples: SampleList) -> dict[str, Tensor]:
        """For each output of `forward` the indices (B, ) of the right answers, `NO_ANSWER` for questions of other
        types.

        Raises:
            ValueError: For a question without answer, of another type, or with an answer that is not in the vocabulary.
        """
        if not self.types:
            return dict(total=torch.tensor([self.vocabulary.index('total', sample) for sample in samples]))
        kinds = [self._type_of(sample) for sample in samples]
        rows = {name: torch.full((len(samples), ), NO_ANSWER) for name in self.branches}
        for i, (kind, sample) in enumerate(zip(kinds, samples)):
            rows[kind][i] = self.vocabulary.index(kind, sample)
        return dict(type=torch.tensor([self.types.index(kind) for kind in kinds]), **rows)

    def _type_of(self, sample: DetDataSample) -> str:
        kind = sample.metainfo.get('question_type')
        if kind not in self.types:
            raise ValueError(f'{name_of(sample)}: question_type should be one of {", ".join(self.types)}, got {kind!r}')
        return kind

    def predict(self, hidden_states: Tensor, batch_data_samples: SampleList) -> list[dict]:
        """For each question the predicted `answer` and `question_type`, and their probability as `score`.

        A head without types returns the `question_type` of the sample, '' if it has none.
        """
        return self.predict_by_feat(self(hidden_states), batch_data_samples)

    def predict_by_feat(self, logits: Mapping[str, Tensor], samples: SampleList) -> list[dict]:
        """As `predict`, from the outputs of `forward`."""
        columns = [function(branch) for function in (chosen_answers, _confidence) for branch in logits.values()]
        results = []
        for sample, row in zip(samples, to_host(torch.stack(columns, dim=1)).tolist(), strict=True):
            chosen, score = dict(zip(logits, map(int, row))), dict(zip(logits, row[len(logits):]))
            kind = self.types[chosen['type']] if self.types else 'total'
            shown = kind if self.types else sample.metainfo.get('question_type') or ''
            results.append(dict(answer=self.vocabulary.names[kind][chosen[kind]], question_type=shown,
                                score=score[kind] * score.get('type', 1.)))
        return results


@MODELS.register_module()
class GQAAnswerHead(AnswerHead):
    """Answers to GQA's questions.

    Args:
        embed_dims: C.
        split: Whether each of the five types has a query and a classifier of its own, or all share one; both are
            published.
        vocabulary: Path or content of a file like `gqa_answer2id_by_type.json`, or, without `split`, like
            `gqa_answer2id.json`; read when an answer is first needed.
        num_answers: How many answers there are, if not the published number. With `split` a dict with the names of the
            file, `dict(answer_global=90)`; `answer_` may be left out (but mmengine cannot write a config with `global`
            as a name to a file). Without `split` one number.
        loss_weight: Factor of every loss; 25 in the published training.
        init_cfg: As in mmengine.
    """

    def __init__(self, embed_dims: int = 256, *, split: bool = True, vocabulary: str | PathLike | Mapping | None = None,
                 num_answers: Mapping[str, int] | int | None = None, loss_weight: float = 1.0,
                 init_cfg: dict | None = None) -> None:
        sizes = _gqa_sizes(split, num_answers)
        super().__init__(
            embed_dims, {name: nn.Linear(embed_dims, size) for name, size in sizes.items()}, GQA_TYPES if split else (),
            AnswerVocabulary(partial(gqa_answers, vocabulary, sizes), gqa_origin(vocabulary)),
            loss_weights=dict.fromkeys(('type', *sizes), loss_weight), init_cfg=init_cfg)


@MODELS.register_module()
class ClevrAnswerHead(AnswerHead):
    """Answers to questions like CLEVR's: yes or no, a count, or an attribute.

    Args:
        embed_dims: C.
        attributes: Answers of the type 'attr'.
        max_count: The largest answer of the type 'reg'.
        loss_weight: Factor of the type's loss.
        answer_loss_weight: Factor of the losses of the answers, 1 in the published training.
        init_cfg: As in mmengine.

    Raises:
        ValueError: If `attributes` or `max_count` are not valid.
    """

    def __init__(self, embed_dims: int = 256, *, attributes: Sequence[str] = CLEVR_ATTRIBUTES, max_count: int = 19,
                 loss_weight: float = 1.0, answer_loss_weight: float = 1.0, init_cfg: dict | None = None) -> None:
        answers = partial(clevr_answers, tuple(attributes), max_count)
        answers()  # raises
        branches = dict(binary=_YesNo(embed_dims, 1), reg=MLP(embed_dims, embed_dims, max_count + 1, 3),
                        attr=nn.Linear(embed_dims, len(attributes)))
        super().__init__(embed_dims, branches, CLEVR_TYPES, AnswerVocabulary(answers, 'ClevrAnswerHead'),
                         loss_weights=dict.fromkeys(branches, answer_loss_weight) | dict(type=loss_weight),
                         init_cfg=init_cfg)


class _YesNo(nn.Linear):
    """(B, C) -> (B, ), the logit of yes."""

    def forward(self, states: Tensor) -> Tensor:
        return super().forward(states).squeeze(-1)


def _confidence(logits: Tensor) -> Tensor:
    """(B, ), the probability of the most probable answer."""
    return logits.abs().sigmoid() if logits.ndim == 1 else logits.softmax(dim=1).amax(dim=1)


def _gqa_sizes(split: bool, num_answers: Mapping[str, int] | int | None) -> dict[str, int]:
    sizes = dict(GQA_SIZES) if split else dict(total=GQA_TOTAL)
    if num_answers is not None:
        if isinstance(num_answers, Mapping) != split:
            form = 'sizes by type, such as dict(answer_obj=3)' if split else 'one number'
            raise ValueError(f'num_answers with split={split} should be {form}, got {num_answers!r}')
        changed = num_answers if split else dict(total=num_answers)
        sizes |= {kind.removeprefix('answer_'): size for kind, size in changed.items()}
    known = GQA_SIZES if split else ('total', )
    wrong = {kind: size for kind, size in sizes.items() if kind not in known or type(size) is not int or size < 1}
    if wrong:
        raise ValueError(f'num_answers should be at least 1 for types of {", ".join(GQA_SIZES)}, got {wrong}')
    return sizes
