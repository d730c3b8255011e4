"""Tokens and the characters that they stand for."""
import pytest

from mmdet_ext.text.positive_map import span_tokens
from mmdet_ext.text.tokenization import load_tokenizer, tokenize

CAPTIONS = ['the red circle  left of a cat', ' two dogs', 'ein Fuß über Öl', '赤い丸と青い四角',
            'a 🐶 runs 👨‍👩‍👧 home', 'naïve 🇯🇵 café\u0301']


@pytest.fixture(scope='module')
def tokenizer(text_folder):
    return load_tokenizer(text_folder)


@pytest.mark.parametrize('caption', CAPTIONS)
def test_offsets_count_characters_and_leave_out_the_space_before_a_word(tokenizer, caption):
    (ids, ), (offsets, ) = tokenize(tokenizer, [caption])
    assert len(ids) == len(offsets) and offsets[0] == offsets[-1] == (0, 0)
    covered = {char for start, end in offsets for char in range(start, end)}
    assert covered == {index for index, char in enumerate(caption) if char != ' '}
    assert offsets[1:-1] == sorted(offsets[1:-1])


@pytest.mark.parametrize('caption, word', [(CAPTIONS[3], '青い四角'), (CAPTIONS[4], '🐶'), (CAPTIONS[4], 'home'),
                                           (CAPTIONS[2], 'Fuß')])
def test_a_word_behind_characters_of_many_bytes_is_found(tokenizer, caption, word):
    (offsets, ) = tokenize(tokenizer, [caption]).offsets
    begin = caption.index(word)
    tokens = span_tokens(offsets, begin, begin + len(word))
    assert ''.join(dict.fromkeys(caption[slice(*offsets[token])] for token in tokens)) == word


def test_the_tokens_of_a_caption_do_not_depend_on_the_others(tokenizer):
    together = tokenize(tokenizer, CAPTIONS)
    for caption, ids, offsets in zip(CAPTIONS, *together, strict=True):
        assert tokenize(tokenizer, [caption]) == ([ids], [offsets])
