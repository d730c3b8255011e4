"""RoBERTa as a text encoder: the published numbers, how it is built, what it refuses."""
import copy
import json
import shutil
import socket
import sys

import huggingface_hub
import pytest
import torch
from golden.cases import load_case
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from transformers import BertConfig, CanineTokenizer

from mmdet_ext.models.text_encoders import RobertaTextEncoder

CAPTIONS = ['the red circle', 'two dogs and a small cat over the green grass', '']
GOLDEN_SIZES = ('vocab_size', 'hidden_size', 'num_hidden_layers', 'num_attention_heads', 'intermediate_size',
                'max_position_embeddings')


def test_hidden_states_and_pooler_are_the_published_ones(text_folder):
    case, prefix = load_case('mdetr', 'model'), 'transformer.text_encoder.'
    config = {name: case.settings['roberta'][name] for name in GOLDEN_SIZES}
    encoder = RobertaTextEncoder(tokenizer=text_folder, pretrained=False, config=config, pooled=True).eval()
    weights = {key.replace(prefix, 'language_model.'): case.weights.value(key, shape, 'float32')
               for key, shape, _ in case.weights.tensors
               if key.startswith(prefix) and not key.endswith('position_ids')}
    encoder.load_state_dict(weights)
    tokens = (torch.tensor(case.inputs[name]) for name in ('input_ids', 'attention_mask'))
    with torch.no_grad():
        hidden, pooled = encoder.encode_tokens(*tokens)
    torch.testing.assert_close(hidden, case['text_last_hidden'], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(pooled, case['text_pooler'], atol=1e-4, rtol=1e-4)


def test_a_config_builds_it_and_captions_are_padded_to_the_longest(text_folder):
    encoder = MODELS.build(dict(type='RobertaTextEncoder', name=text_folder, pretrained=False, pooled=True)).eval()
    features = encoder(CAPTIONS)
    lengths = (~features.padding).sum(dim=1)
    assert features.hidden.shape == (3, lengths.max(), 32) == (3, lengths.max(), encoder.embed_dims)
    assert features.pooled.shape == (3, 32) and lengths[2] == 2
    assert [len(offsets) for offsets in features.offsets] == [lengths.max()] * 3
    for caption, length, offsets, hidden, pooled in zip(CAPTIONS, lengths, features.offsets, features.hidden,
                                                        features.pooled, strict=True):
        alone = encoder([caption])
        assert offsets[:length] == alone.offsets[0] and set(offsets[length:]) <= {(0, 0)} and not alone.padding.any()
        torch.testing.assert_close(hidden[:length], alone.hidden[0], atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(pooled, alone.pooled[0], atol=1e-6, rtol=1e-5)


def test_what_a_config_leaves_out_is_as_in_roberta_base(text_folder):
    small = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    encoder = RobertaTextEncoder(tokenizer=text_folder, pretrained=False, config=small)
    names = encoder.state_dict()
    assert names['language_model.embeddings.position_embeddings.weight'].shape == (514, 16)
    assert names['language_model.embeddings.token_type_embeddings.weight'].shape == (1, 16)
    assert names['language_model.embeddings.word_embeddings.weight'].shape == (50265, 16)
    assert encoder.language_model.embeddings.LayerNorm.eps == 1e-5 and encoder.max_tokens == 256
    assert 'language_model.pooler.dense.weight' in names and not any('position_ids' in name for name in names)


def test_weights_of_a_folder_are_loaded_and_kept_by_init_weights(text_folder, weights_folder):
    class Detector(BaseModule):
        def __init__(self):
            super().__init__()
            self.text_encoder = RobertaTextEncoder(weights_folder)

    detector = Detector()
    detector.init_weights()
    loaded, random = detector.text_encoder.eval(), RobertaTextEncoder(text_folder, pretrained=False).eval()
    assert not loaded(CAPTIONS).hidden.allclose(random(CAPTIONS).hidden, atol=0.1)
    random.load_state_dict(RobertaTextEncoder(weights_folder).state_dict())
    torch.testing.assert_close(loaded(CAPTIONS).hidden, random(CAPTIONS).hidden, atol=0, rtol=0)


def test_a_folder_is_read_without_asking_the_network(weights_folder, monkeypatch):
    asked = []
    monkeypatch.setattr(socket.socket, 'connect', lambda self, address: asked.append(address))
    monkeypatch.setattr(socket, 'getaddrinfo', lambda *args, **kwargs: asked.append(args))
    RobertaTextEncoder(weights_folder)
    assert asked == []


def test_every_parameter_learns(text_folder):
    encoder = RobertaTextEncoder(text_folder, pretrained=False, pooled=True)
    hidden, pooled, *_ = encoder(CAPTIONS)
    (hidden.square().sum() + (pooled * torch.randn_like(pooled)).sum()).backward()
    assert [name for name, value in encoder.named_parameters() if value.grad is None] == []


def test_without_the_pooled_feature_its_layer_is_no_unused_parameter(text_folder):
    encoder = RobertaTextEncoder(text_folder, pretrained=False)
    features = encoder(CAPTIONS)
    (features.hidden * torch.randn_like(features.hidden)).sum().backward()
    assert features.pooled is None
    assert [name for name, value in encoder.named_parameters() if value.requires_grad and value.grad is None] == []
    assert not encoder.language_model.pooler.dense.weight.requires_grad


def test_a_frozen_encoder_has_neither_gradients_nor_dropout_in_training(text_folder):
    encoder = RobertaTextEncoder(text_folder, pretrained=False, frozen=True, pooled=True).train()
    first, second = encoder(CAPTIONS), encoder(CAPTIONS)
    assert encoder.training and not first.hidden.requires_grad and first.hidden.equal(second.hidden)
    assert not any(value.requires_grad for value in encoder.parameters())
    learning = RobertaTextEncoder(text_folder, pretrained=False).train()
    assert not learning(CAPTIONS).hidden.equal(learning(CAPTIONS).hidden)


def test_a_copy_gives_the_same(text_folder):
    encoder = RobertaTextEncoder(text_folder, pretrained=False).eval()
    assert copy.deepcopy(encoder)(CAPTIONS).hidden.equal(encoder(CAPTIONS).hidden)


@pytest.mark.parametrize('positions, limit', [(514, 256), (42, 40)])
def test_a_caption_that_is_too_long_is_not_cut(text_folder, positions, limit):
    config = dict(vocab_size=300, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8,
                  max_position_embeddings=positions)
    encoder = RobertaTextEncoder(tokenizer=text_folder, pretrained=False, config=config)
    assert encoder(['x' * (limit - 2)]).hidden.shape == (1, limit, 8)
    with pytest.raises(ValueError, match=f"'xxxxx.* has {limit + 1} tokens, .* at most {limit}"):
        encoder(['a', 'x' * (limit - 1)])


@pytest.mark.parametrize('captions', ['a cat', []])
def test_captions_are_a_list(text_folder, captions):
    with pytest.raises(ValueError, match='captions should be a list'):
        RobertaTextEncoder(text_folder, pretrained=False)(captions)


def test_missing_files_are_named_with_the_way_to_get_them(text_folder, tmp_path, monkeypatch):
    with pytest.raises(OSError, match=f'name={text_folder} gives no weights .*hf download .*{text_folder}'):
        RobertaTextEncoder(text_folder)
    with pytest.raises(FileNotFoundError, match='name=/nowhere.*: there is no such folder'):
        RobertaTextEncoder('/nowhere')
    with pytest.raises(FileNotFoundError, match=r'tokenizer=\./nowhere.*: there is no such folder'):
        RobertaTextEncoder(text_folder, pretrained=False, tokenizer='./nowhere')
    shutil.copy(f'{text_folder}/config.json', tmp_path)
    with pytest.raises((ValueError, OSError), match=f'name={tmp_path} (has|gives) no tokenizer'):  # transformers 5, 4
        RobertaTextEncoder(str(tmp_path), pretrained=False)
    bare = tmp_path / 'bare'  # transformers 4 guesses the model from the name of the folder: 'empty' is an MPT
    bare.mkdir()
    with pytest.raises(ValueError, match=f'name={bare} gives no config'):
        RobertaTextEncoder(str(bare), tokenizer=text_folder)
    monkeypatch.setattr(huggingface_hub.constants, 'HF_HUB_OFFLINE', True)
    monkeypatch.setattr(huggingface_hub.constants, 'HF_HUB_CACHE', str(tmp_path / 'cache'))
    with pytest.raises(OSError, match='name=nobody/roberta gives no tokenizer.*hf download nobody/roberta --local-dir'):
        RobertaTextEncoder('nobody/roberta')


def test_files_that_do_not_fit_are_refused(text_folder, weights_folder, tmp_path):
    slow, bert, torn, spaces, broken = (tmp_path / name for name in ('slow', 'bert', 'torn', 'spaces', 'broken'))
    CanineTokenizer().save_pretrained(slow)
    with pytest.raises(ValueError, match=f'tokenizer={slow} is a slow tokenizer'):
        RobertaTextEncoder(text_folder, pretrained=False, tokenizer=str(slow))
    BertConfig().save_pretrained(bert)
    with pytest.raises(ValueError, match='model of type bert, should be roberta'):
        RobertaTextEncoder(str(bert), tokenizer=text_folder)
    shutil.copytree(text_folder, spaces)
    for name, change in (('tokenizer.json', lambda content: content['post_processor'].update(trim_offsets=False)),
                         ('tokenizer_config.json', lambda content: content.update(trim_offsets=False))):
        content = json.loads((spaces / name).read_text())
        change(content)
        (spaces / name).write_text(json.dumps(content))
    with pytest.raises(ValueError, match='counts the space before a word .*trim_offsets'):
        RobertaTextEncoder(text_folder, pretrained=False, tokenizer=str(spaces))
    shutil.copytree(text_folder, broken)
    (broken / 'tokenizer.json').write_text('{"version"')
    with pytest.raises(ValueError, match=f'tokenizer={broken} gives no tokenizer'):
        RobertaTextEncoder(text_folder, pretrained=False, tokenizer=str(broken))
    shutil.copytree(weights_folder, torn)
    weights = torn / 'model.safetensors'
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(ValueError, match=f'name={torn} gives no weights'):
        RobertaTextEncoder(str(torn))


def test_weights_that_are_not_all_there_are_refused(weights_folder, tmp_path):
    folder = tmp_path / 'deeper'
    shutil.copytree(weights_folder, folder)
    config = json.loads((folder / 'config.json').read_text())
    (folder / 'config.json').write_text(json.dumps(config | dict(num_hidden_layers=3)))
    with pytest.raises(ValueError, match=f'name={folder} lacks 16 weights of RobertaModel: encoder.layer.2'):
        RobertaTextEncoder(str(folder))


@pytest.mark.parametrize('wrong, message', [
    (dict(config=dict(hidden_size=8)), 'needs pretrained=False'),
    (dict(config=dict(hiden_size=8), pretrained=False), 'RobertaConfig has no hiden_size'),
    (dict(config=dict(vocab_size=100), pretrained=False), r'has 300 tokens, the language model 100'),
    (dict(config=dict(pad_token_id=0), pretrained=False), r'pads with 1, the language model with 0'),
    (dict(cache='memory', pretrained=False), 'needs frozen=True'),
    (dict(cache=sys.executable, frozen=True, pretrained=False), 'is a file'),
    (dict(cache='memory', frozen=True, cache_mib=-1, pretrained=False), 'cache_mib'),
])
def test_wrong_arguments_are_named(text_folder, wrong, message):
    if 'config' in wrong:
        small = dict(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
        wrong = dict(wrong, config=small | wrong['config'])
    with pytest.raises(ValueError, match=message):
        RobertaTextEncoder(text_folder, **wrong)
