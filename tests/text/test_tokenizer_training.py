"""Tokenizers trained on texts of one's own."""
import json

import pytest
from transformers import AutoTokenizer, RobertaTokenizerFast

from mmdet_ext.models.text_encoders import RobertaTextEncoder
from mmdet_ext.text.tokenizer_training import save_encoder_folder, train_tokenizer

TIES = [f'{first}{second} {second}{first}' for first in 'abcdefgh' for second in 'stuvwxyz']


def test_special_tokens_come_first_and_the_rest_is_as_asked(text_folder):
    tokenizer = AutoTokenizer.from_pretrained(text_folder)
    assert isinstance(tokenizer, RobertaTokenizerFast) and tokenizer.is_fast and len(tokenizer) == 300
    assert tokenizer.convert_ids_to_tokens(range(5)) == ['<s>', '<pad>', '</s>', '<unk>', '<mask>']
    assert tokenizer('')['input_ids'] == [0, 2] and tokenizer.pad_token_id == 1
    ids = tokenizer('the red circle')['input_ids']
    assert tokenizer.decode(ids) == '<s>the red circle</s>' and len(ids) < len('the red circle')


def test_no_text_is_unknown(text_folder):
    tokenizer = AutoTokenizer.from_pretrained(text_folder)
    text = 'Ünknown ЖЙ 犬が走る 🦊 \x00\x7f\U0010ffff\ttab'
    ids = tokenizer(text)['input_ids']
    assert tokenizer.unk_token_id not in ids and tokenizer.decode(ids, skip_special_tokens=True) == text


def test_the_same_texts_give_the_same_files(tmp_path):
    for name in 'ab':
        save_encoder_folder(train_tokenizer(TIES, 300), tmp_path / name, layers=1, hidden_size=8, heads=2)
    files = {path.name: path.read_bytes() for path in (tmp_path / 'a').iterdir()}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / 'b').iterdir()}
    files.pop('special_tokens_map.json', None)  # of transformers 4
    assert set(files) == {'tokenizer.json', 'tokenizer_config.json', 'vocab.json', 'merges.txt', 'config.json'}
    vocab = json.loads(files['vocab.json'])
    assert len(vocab) == 300 and vocab == json.loads(files['tokenizer.json'])['model']['vocab']
    assert len(files['merges.txt'].decode().splitlines()) == 1 + 300 - 261


def test_the_folder_reads_captions_of_256_tokens(tmp_path):
    save_encoder_folder(train_tokenizer(TIES, 261), tmp_path, layers=3, hidden_size=8, heads=2)
    encoder = RobertaTextEncoder(str(tmp_path), pretrained=False)
    config = encoder.language_model.config
    assert encoder(['x' * 254]).hidden.shape == (1, 256, 8) and encoder.max_tokens == 256
    assert (config.num_hidden_layers, config.num_attention_heads, config.vocab_size) == (3, 2, 261)


def test_wrong_sizes_are_named(tmp_path):
    with pytest.raises(ValueError, match='vocab_size should be 261 .* got 260'):
        train_tokenizer(TIES, 260)
    with pytest.raises(ValueError, match='multiple of heads, got 1, 9 and 2'):
        save_encoder_folder(train_tokenizer(TIES, 261), tmp_path, layers=1, hidden_size=9, heads=2)
