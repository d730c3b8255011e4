"""Names of the question-answering checkpoints of MDETR (https://arxiv.org/abs/2104.12763): GQA, CLEVR and its kin."""
from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor

from ..models.dense_heads.answer_heads import CLEVR_ATTRIBUTES, GQA_SIZES, GQA_TOTAL
from ..unpickler import CheckpointError
from .rules import Rule

UNIT = r'(?P<leaf>weight|bias)'
QUERIES = 'qa_embed.weight'


class AnswerRecipe(NamedTuple):
    """What the data set is called; for its heads the rules, the number of tensors, and the options of the config."""
    name: str
    rules: list[Rule]
    tensors: int
    options: dict[str, Any]


def answer_recipe(state_dict: Mapping[str, Tensor]) -> AnswerRecipe:
    """What the names say of answers; a recipe without rules if there are no queries for any.

    Raises:
        CheckpointError: If the queries are not as many as the heads, or the heads those of no known data set.
    """
    if QUERIES not in state_dict:
        return AnswerRecipe('', [], 0, {})
    if 'answer_head.weight' in state_dict:
        recipe, queries = _gqa_unified(state_dict), 1
    elif 'answer_binary_head.weight' in state_dict:
        recipe, queries = _clevr(state_dict), 4
    elif 'answer_obj_head.weight' in state_dict:
        recipe, queries = _gqa(state_dict), 6
    else:
        raise CheckpointError(f'{QUERIES} is there, but answer_head.weight, answer_obj_head.weight and '
                              'answer_binary_head.weight are not: heads of no data set that MDETR was published for')
    if len(state_dict[QUERIES]) != queries:
        raise CheckpointError(f'{QUERIES} has {len(state_dict[QUERIES])} queries, the heads of {recipe.name} need '
                              f'{queries}')
    rules = [Rule(r'qa_embed\.weight', 'answer_head.query_embedding.weight'), *recipe.rules]
    return recipe._replace(rules=rules, tensors=recipe.tensors + 1)


def _gqa_unified(state_dict: Mapping[str, Tensor]) -> AnswerRecipe:
    options: dict[str, Any] = {'model.answer_head.type': 'GQAAnswerHead', 'model.answer_head.split': False}
    if (size := _size(state_dict, 'answer_head', GQA_TOTAL)) != GQA_TOTAL:
        options['model.answer_head.num_answers'] = size
    return AnswerRecipe('gqa', [Rule(rf'answer_head\.{UNIT}', r'answer_head.branches.total.\g<leaf>')], 2, options)


def _gqa(state_dict: Mapping[str, Tensor]) -> AnswerRecipe:
    options: dict[str, Any] = {'model.answer_head.type': 'GQAAnswerHead'}
    for kind, usual in GQA_SIZES.items():
        if (size := _size(state_dict, f'answer_{kind}_head', usual)) != usual:
            options[f'model.answer_head.num_answers.answer_{kind}'] = size
    rules = [_type_rule(), Rule(rf'answer_({"|".join(GQA_SIZES)})_head\.{UNIT}', r'answer_head.branches.\1.\g<leaf>')]
    return AnswerRecipe('gqa', rules, 2 * (1 + len(GQA_SIZES)), options)


def _clevr(state_dict: Mapping[str, Tensor]) -> AnswerRecipe:
    attributes = len(CLEVR_ATTRIBUTES)
    if (size := _size(state_dict, 'answer_attr_head', attributes)) != attributes:
        raise CheckpointError(f'answer_attr_head.weight is of {size} attributes, CLEVR has {attributes}')
    options: dict[str, Any] = {'model.answer_head.type': 'ClevrAnswerHead'}
    if (size := _size(state_dict, 'answer_reg_head.layers.2', 20)) != 20:
        options['model.answer_head.max_count'] = size - 1
    rules = [_type_rule(), Rule(rf'answer_(binary|attr)_head\.{UNIT}', r'answer_head.branches.\1.\g<leaf>'),
             Rule(rf'answer_reg_head\.layers\.(\d)\.{UNIT}', r'answer_head.branches.reg.layers.\1.\g<leaf>')]
    return AnswerRecipe('clevr', rules, 12, options)


def _type_rule() -> Rule:
    return Rule(rf'answer_type_head\.{UNIT}', r'answer_head.fc_type.\g<leaf>')


def _size(state_dict: Mapping[str, Tensor], layer: str, usual: int) -> int:
    """Number of answers of a layer; the usual one if it is missing, which the count of tensors tells."""
    return len(state_dict[f'{layer}.weight']) if f'{layer}.weight' in state_dict else usual
