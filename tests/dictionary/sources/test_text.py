"""Features of texts from language models."""
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (AutoModel, AutoTokenizer, GPT2Config, GPT2Model, PreTrainedTokenizerFast, RobertaConfig,
                          RobertaForMaskedLM, RobertaModel, T5Config, T5ForConditionalGeneration)

from dictionary.fake_sources import everything
from mmdet_ext.dictionary.sources import TextSource

LINES = ['a red circle', 'two dogs and a cat run over the green grass', 'sky', 'a cat',
         'the dog sees a blue sky over grass']
SMALL = dict(vocab_size=80, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)


def tokenizer(specials, template=None, **names):
    made = Tokenizer(models.WordLevel(unk_token=specials[-1]))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.train_from_iterator(LINES, trainers.WordLevelTrainer(special_tokens=specials))
    if template:
        used = [(token, made.token_to_id(token)) for token in specials if token in template]
        made.post_processor = processors.TemplateProcessing(single=template, special_tokens=used)
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token=specials[-1], **names)


@pytest.fixture(scope='module')
def folders(tmp_path_factory) -> dict[str, Path]:
    """A RoBERTa that reads 12 tokens, a GPT-2 without padding token that reads 16, and a T5, with random weights."""
    folder = tmp_path_factory.mktemp('text')
    torch.manual_seed(0)
    roberta = tokenizer(['<s>', '<pad>', '</s>', '<unk>'], '<s> $A </s>', bos_token='<s>', eos_token='</s>',
                        pad_token='<pad>')
    gpt2 = tokenizer(['<|endoftext|>', '<unk>'], eos_token='<|endoftext|>')
    t5 = tokenizer(['<pad>', '</s>', '<unk>'], '$A </s>', eos_token='</s>', pad_token='<pad>')
    t5_config = T5Config(vocab_size=80, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2)
    made = dict(
        roberta=(RobertaModel(RobertaConfig(**SMALL, max_position_embeddings=14, pad_token_id=1)), roberta),
        gpt2=(GPT2Model(GPT2Config(vocab_size=80, n_embd=16, n_layer=2, n_head=2, n_positions=16)), gpt2),
        t5=(T5ForConditionalGeneration(t5_config), t5))
    for name, (model, words) in made.items():
        model.save_pretrained(folder / name)
        words.save_pretrained(folder / name)
    return {name: folder / name for name in made}


@pytest.fixture
def lines(tmp_path) -> Path:
    (tmp_path / 'lines.txt').write_text('\n'.join(LINES))
    return tmp_path / 'lines.txt'


def alone(folder, text):
    """Hidden states (T, 16) of one text without padding."""
    model, words = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    model = model.get_encoder() if model.config.is_encoder_decoder else model
    with torch.no_grad():
        return model(torch.tensor([words(text)['input_ids']])).last_hidden_state[0]


@pytest.mark.parametrize('name', ['roberta', 'gpt2', 't5'])
@pytest.mark.parametrize('pooling', ['mean', 'cls', 'last'])
def test_padding_changes_nothing(folders, lines, name, pooling):
    source = TextSource(str(folders[name]), [lines], pooling=pooling, batch_size=3)
    assert (source.width, source.num_items, source.per_item) == (16, 5, 1)
    samples = everything(source)
    for text, feature in zip(LINES, samples.features, strict=True):
        hidden = alone(folders[name], text)
        expected = dict(mean=hidden.mean(dim=0), cls=hidden[0], last=hidden[-1])[pooling]
        torch.testing.assert_close(torch.from_numpy(feature), expected, atol=1e-5, rtol=1e-4)
    assert samples.items.tolist() == list(range(5)) and not samples.boxes.any() and not samples.skipped


@pytest.mark.parametrize('name, limit, added', [('roberta', 12, 2), ('gpt2', 16, 0)])
def test_long_texts_are_cut_where_the_model_ends(folders, tmp_path, name, limit, added):
    words = 'cat dog sky ' * 20
    (tmp_path / 'long.txt').write_text(words)
    source = TextSource(str(folders[name]), [tmp_path / 'long.txt'])
    assert source.limit == limit
    expected = alone(folders[name], ' '.join(words.split()[:limit - added])).mean(dim=0)
    torch.testing.assert_close(torch.from_numpy(everything(source).features[0]), expected, atol=1e-5, rtol=1e-4)


def test_texts_keep_their_first_place(folders, tmp_path):
    (tmp_path / 'a.txt').write_bytes('\ufeffcat\r\n\r\n  a dog \ncat\n'.encode())
    categories = [dict(id=3, name='a dog'), dict(id=5, name='sky')]
    instances = dict(images=[], annotations=[dict(id=1, bbox=[])], categories=categories)
    (tmp_path / 'b.json').write_text(json.dumps(instances))
    captions = [dict(id=1, caption='sky'), dict(id=2, caption='the grass\n'), dict(id=3, caption='[over] it')]
    (tmp_path / 'c').write_text(json.dumps(dict(annotations=captions)))
    (tmp_path / 'd.txt').write_text('[over] the sky')
    source = TextSource(str(folders['roberta']), [tmp_path / name for name in ('a.txt', 'b.json', 'c', 'd.txt')])
    assert [tuple(source.describe(item, np.zeros(4)).values()) for item in range(source.num_items)] == [
        ('cat', str(tmp_path / 'a.txt'), 1), ('a dog', str(tmp_path / 'a.txt'), 3),
        ('sky', str(tmp_path / 'b.json'), 2), ('the grass', str(tmp_path / 'c'), 2),
        ('[over] it', str(tmp_path / 'c'), 3), ('[over] the sky', str(tmp_path / 'd.txt'), 1)]
    assert list(source.describe(0, np.zeros(4))) == ['text', 'file', 'line']


@pytest.mark.parametrize('content, message', [
    (b'one\ntwo\n\xff\xfe', 'line 3: should be UTF-8, has the byte 0xff'),
    (b' \n\n', 'holds no text'),
    (b'["cat", "dog"]', 'neither COCO captions'),
    (b'{"images": [], "annotations": [{"id": 1}]}', 'neither COCO captions'),
    (b'{"categories": [{"id": 1, "name": "cat"}, {"id": 2}]}', "entry 2 of 'categories' has the name None"),
    (b'{"a": 1}\n{"a": 2}', 'is no JSON'),
])
def test_a_bad_file_is_named(folders, tmp_path, content, message):
    (tmp_path / 'bad.json').write_bytes(content)
    with pytest.raises(ValueError, match=f'bad.json.*{message}'):
        TextSource(str(folders['roberta']), [tmp_path / 'bad.json'])


def test_texts_of_no_token_are_named_and_the_others_go_on(folders, tmp_path):
    (tmp_path / 'a.txt').write_text('cat\n\u200b\u2060\nsky')
    source = TextSource(str(folders['gpt2']), [tmp_path / 'a.txt'])
    blank = normalizers.Replace(Regex('[\u200b\u2060]'), '')
    source.tokenizer.backend_tokenizer.normalizer = blank
    samples = everything(source)
    assert samples.items.tolist() == [0, 2] and samples.features.shape == (2, 16)
    assert len(samples.skipped) == 1 and samples.skipped[0].startswith(f'{tmp_path / "a.txt"}:2: ')


def test_the_fingerprint_is_of_texts_and_weights(folders, lines, tmp_path):
    first, again = (TextSource(str(folders['gpt2']), [lines]).fingerprint for _ in range(2))
    assert first == again
    assert TextSource(str(folders['gpt2']), [lines], pooling='last').fingerprint != first
    assert TextSource(str(folders['roberta']), [lines]).fingerprint != first
    (tmp_path / 'other.txt').write_text('sky')
    assert TextSource(str(folders['gpt2']), [tmp_path / 'other.txt']).fingerprint != first


def test_what_is_no_whole_model_is_refused(folders, lines, tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match='nowhere'):
        TextSource(str(tmp_path / 'nowhere'), [lines])
    with pytest.raises(FileNotFoundError, match='none.txt'):
        TextSource(str(folders['gpt2']), [tmp_path / 'none.txt'])
    with pytest.raises(ValueError, match='pooling.*max'):
        TextSource(str(folders['gpt2']), [lines], pooling='max')
    with pytest.raises(ValueError, match='at least one file'):
        TextSource(str(folders['gpt2']), [])
    model = RobertaForMaskedLM(RobertaConfig(**SMALL))
    model.save_pretrained(tmp_path / 'wordless')
    # transformers 5 makes one up, and 4 raises
    with pytest.raises((ValueError, OSError), match="wordless has no tokenizer|Can't load tokenizer"):
        TextSource(str(tmp_path / 'wordless'), [lines])
    weights = {key: value for key, value in model.state_dict().items() if 'layer.1' not in key and 'lm_head' not in key}
    model.save_pretrained(tmp_path / 'partly', state_dict=weights)
    PreTrainedTokenizerFast.from_pretrained(folders['roberta']).save_pretrained(tmp_path / 'partly')
    with pytest.raises(ValueError, match='partly lacks 16 weights of RobertaModel: encoder.layer.1'):
        TextSource(str(tmp_path / 'partly'), [lines])
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_OFFLINE', True)
    with pytest.raises(OSError, match='model=no/such-model cannot be had.*Pass a folder'):
        TextSource('no/such-model', [lines])
