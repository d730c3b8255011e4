"""mmdet's BERT with transformers 5."""
from copy import deepcopy

import pytest
import torch
from mmdet.registry import MODELS
from torch.testing import assert_close

from mmdet_ext.experiments.small_models import save_small_bert

SUB_SENTENCES = dict(use_sub_sentence_represent=True, special_tokens_list=['[CLS]', '[SEP]', '.', '?'])


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp('bert')
    save_small_bert(folder)
    return str(folder)


def build(folder: str, **options) -> torch.nn.Module:
    return MODELS.build(dict(type='BertLanguageModel', name=folder, pad_to_max=False, **options)).eval()


@torch.no_grad()
def test_glips_features_are_those_of_transformers(folder):
    model = build(folder)
    features = model(['red cat', 'dog'])
    tokens = model.tokenizer(['red cat', 'dog'], padding=True, return_tensors='pt')
    expected = model.language_backbone.body.model(**tokens).last_hidden_state
    assert features['masks'].equal(tokens.attention_mask) and features['masks'].tolist() == [[1, 1, 1, 1], [1, 1, 1, 0]]
    assert_close(features['hidden'], expected)
    assert_close(features['embedded'], expected * tokens.attention_mask.unsqueeze(-1))


@torch.no_grad()
def test_phrases_of_grounding_dino_do_not_see_each_other(folder):
    model = build(folder, **SUB_SENTENCES)
    features = model(['red cat. dog. ', 'red cat. red. '])
    assert features['masks'].shape == (2, 7, 7) and features['position_ids'].tolist() == [[0, 0, 1, 2, 0, 1, 0]] * 2
    first, second = features['embedded']  # [CLS] red cat . dog . [SEP]
    assert_close(first[:4], second[:4])
    assert (first[4:6] - second[4:6]).abs().amax(dim=1).gt(1e-3).all()
    alone = model(['red cat. '])['embedded'][0]
    assert_close(first[1:4], alone[1:4])


@torch.no_grad()
def test_a_copy_works_as_for_averaged_weights(folder):
    model = build(folder, **SUB_SENTENCES)
    assert_close(deepcopy(model)(['cat. '])['embedded'], model(['cat. '])['embedded'])


def test_missing_files_are_an_error_that_says_what_to_do(tmp_path):
    with pytest.raises(OSError, match=f'name={tmp_path}/bert: there is no such folder'):
        build(str(tmp_path / 'bert'))
    with pytest.raises((OSError, ValueError), match='gives no config: .*`hf download .* --local-dir'):
        build(str(tmp_path))
