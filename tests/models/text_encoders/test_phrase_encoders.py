"""Encoders of phrases: what their networks give alone, no padding seen, cached where frozen, wrong input named."""
import json

import open_clip
import pytest
import torch
from torch.testing import assert_close
from transformers import CLIPConfig, CLIPModel

from mmdet_ext.models.text_encoders import OpenCLIPTextEncoder, TransformersTextEncoder, WordTextEncoder
from mmdet_ext.text.tokenization import load_tokenizer
from mmdet_ext.text.tokenizer_training import train_tokenizer

TEXTS = ['red', 'a blue square', 'two dogs and a cat']


@pytest.fixture(scope='session')
def tiny_clip(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp('open_clip')
    text = dict(context_length=16, vocab_size=49408, width=8, heads=2, layers=1)
    vision = dict(image_size=32, layers=1, width=16, patch_size=16, head_width=8)
    (folder / 'tiny-text.json').write_text(json.dumps(dict(embed_dim=12, text_cfg=text, vision_cfg=vision)))
    open_clip.add_model_config(folder)
    return 'tiny-text'


@pytest.fixture(scope='session')
def clip_folder(text_folder, tmp_path_factory) -> str:
    """CLIP of transformers with the tokenizer of `text_folder`."""
    folder = str(tmp_path_factory.mktemp('clip'))
    tokenizer = load_tokenizer(text_folder)
    sizes = dict(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, projection_dim=12)
    torch.manual_seed(0)
    CLIPModel(CLIPConfig(
        text_config=dict(vocab_size=len(tokenizer), max_position_embeddings=12, eos_token_id=tokenizer.eos_token_id,
                         bos_token_id=0, pad_token_id=1, **sizes),
        vision_config=dict(image_size=32, patch_size=16, **sizes), projection_dim=12)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def build(tiny_clip, clip_folder, weights_folder):
    makers = dict(open_clip=lambda **k: OpenCLIPTextEncoder(tiny_clip, **k),
                  clip=lambda **k: TransformersTextEncoder(clip_folder, **k),
                  roberta=lambda **k: TransformersTextEncoder(weights_folder, **k),
                  words=lambda **k: WordTextEncoder(weights_folder, embed_dims=8, **k))
    return lambda name, **options: makers[name](**options)


NAMES = ('open_clip', 'clip', 'roberta', 'words')


@pytest.mark.parametrize('name', NAMES)
def test_a_text_has_one_feature_whatever_stands_beside_it(build, name):
    encoder = build(name, frozen=True)
    together = encoder(TEXTS)
    assert together.shape == (3, encoder.embed_dims) and not together.requires_grad
    assert_close(torch.cat([encoder([text]) for text in TEXTS]), together, rtol=1e-4, atol=1e-5)
    assert not together[0].isclose(together[1]).all()


@pytest.mark.parametrize('name', NAMES)
def test_a_frozen_encoder_keeps_features_and_reads_each_text_once(build, name, tmp_path):
    torch.manual_seed(3)
    encoder = build(name, frozen=True, cache=tmp_path)
    expected, encode, seen = encoder.encode(encoder.tokenize(TEXTS), torch.device('cpu')), encoder.encode, []
    encoder.encode = lambda ids, device: seen.extend(ids) or encode(ids, device)
    for texts in (TEXTS[:2], TEXTS, TEXTS[::-1]):
        features = encoder(texts)
    assert_close(features, expected.flip(0), rtol=1e-4, atol=1e-5)
    assert len(seen) == 3 and len(list(tmp_path.rglob('*.pt'))) == 3
    with torch.no_grad():
        next(encoder.language_model.parameters()).mul_(2)  # a sum is what the layer norm behind it takes away
    assert not encoder(TEXTS).isclose(expected).all() and len(seen) == 6


@pytest.mark.parametrize('name', NAMES)
def test_an_encoder_that_learns_has_gradients_in_every_parameter(build, name):
    encoder = build(name, frozen=False)
    (encoder(TEXTS) * torch.randn(3, encoder.embed_dims)).sum().backward()
    learned = {key: value for key, value in encoder.named_parameters() if value.requires_grad}
    assert learned and [key for key, value in learned.items() if value.grad is None] == []
    assert not any('pooler' in key or 'logit' in key or 'visual' in key for key in learned)


def test_open_clip_and_clip_give_the_features_that_they_share_with_images(tiny_clip, clip_folder):
    torch.manual_seed(0)
    clip_model = open_clip.create_model(tiny_clip).eval()
    ids = open_clip.get_tokenizer(tiny_clip)(TEXTS)
    with torch.no_grad():
        torch.manual_seed(0)
        assert_close(OpenCLIPTextEncoder(tiny_clip)(TEXTS), clip_model.encode_text(ids))
        clip, tokenizer = CLIPModel.from_pretrained(clip_folder).eval(), load_tokenizer(clip_folder)
        features = clip.get_text_features(**tokenizer(['a cat'], return_tensors='pt'))
        features = getattr(features, 'pooler_output', features)
    assert_close(TransformersTextEncoder(clip_folder)(['a cat']), features)


def test_a_bag_of_words_is_the_mean_of_its_words_in_any_order_and_case(tmp_path):
    train_tokenizer([' small cat'], 300).save_pretrained(tmp_path)
    encoder = WordTextEncoder(str(tmp_path), embed_dims=8)
    cat, small, both = encoder(['cat']), encoder(['small']), encoder(['  Small  cat'])
    assert len(encoder.tokenize(['small cat'])[0]) == 2
    assert_close(both, (cat + small) / 2)
    assert_close(encoder(['cat small']), both)


@pytest.mark.parametrize('texts, message', [
    ([], 'at least one text, got'),
    ('red', "at least one text, got 'red'"),
    (['red', ' '], "number 1 should be a word or a phrase, got ' '"),
    (['red', 3], 'number 1 should be a word or a phrase, got 3')])
def test_what_is_no_list_of_texts_is_refused(build, texts, message):
    with pytest.raises(ValueError, match=message):
        build('words')(texts)


@pytest.mark.parametrize('name', ['open_clip', 'clip'])
def test_a_text_of_too_many_tokens_is_not_cut(build, name):
    with pytest.raises(ValueError, match=r"the text 'dog dog.* has \d+ tokens, and \w+TextEncoder takes at most 1\d"):
        build(name)(['cat', 'dog ' * 30])


def test_wrong_arguments_are_named(weights_folder, tmp_path):
    with pytest.raises(ValueError, match='cache=memory needs frozen=True'):
        WordTextEncoder(weights_folder, cache='memory')
    with pytest.raises(ValueError, match='pretrained=True: WordTextEncoder has no weights'):
        WordTextEncoder(weights_folder, pretrained=True)
    with pytest.raises(ValueError, match='pooling should be one of mean, cls, last'):
        TransformersTextEncoder(weights_folder, pooling='max')
    with pytest.raises(FileNotFoundError, match='name=./nowhere: there is no such folder'):
        WordTextEncoder('./nowhere')
    with pytest.raises(FileNotFoundError, match='name=./nowhere: there is no such folder'):
        TransformersTextEncoder('./nowhere')
    with pytest.raises(ValueError, match="open_clip has no model 'no-model'"):
        OpenCLIPTextEncoder('no-model')
