"""From token probabilities to phrases, by hand."""
import pytest
import torch

from mmdet_ext.text.phrases import grounded_phrases, number_phrases
from mmdet_ext.text.spans import join_spans
from mmdet_ext.text.tokenization import tokenize
from mmdet_ext.text.tokenizer_training import train_tokenizer

CAPTION = 'a red circle left of a blue star'
# <s>, then the words, then </s>
OFFSETS = [(0, 0), (0, 1), (2, 5), (6, 12), (13, 17), (18, 20), (21, 22), (23, 27), (28, 32), (0, 0)]


def probabilities(*rows: dict[int, float], columns: int = 16) -> torch.Tensor:
    """(1, Q, T) with these values at these tokens, the rest for "no object"."""
    table = torch.zeros(1, len(rows), columns)
    for row, values_of_tokens in zip(table[0], rows):
        for token, value in values_of_tokens.items():
            row[token] = value
        row[-1] = 1 - row.sum()
    return table


def test_tokens_near_the_most_probable_one_are_the_phrase():
    values = probabilities({2: 0.3, 3: 0.4, 1: 0.2, 8: 0.1}, {7: 0.2, 8: 0.1, 1: 0.09}, {3: 0.01})
    grounded, = grounded_phrases(values, [OFFSETS], [CAPTION])
    assert grounded.phrases == ['a red circle', 'blue star', 'circle']
    assert grounded.spans == [[[0, 12]], [[23, 32]], [[6, 12]]]
    assert grounded.labels == [0, 2, 1]


def test_parts_that_are_apart_stay_apart():
    grounded, = grounded_phrases(probabilities({2: 0.4, 8: 0.4}), [OFFSETS], [CAPTION])
    assert grounded.spans == [[[2, 5], [28, 32]]] and grounded.phrases == ['red ... star']


@pytest.mark.parametrize('fraction, phrase', [(1., 'circle'), (0.5, 'red circle'), (0., CAPTION)])
def test_the_fraction_decides(fraction, phrase):
    grounded, = grounded_phrases(probabilities({2: 0.2, 3: 0.4}), [OFFSETS], [CAPTION], fraction)
    assert grounded.phrases == [phrase]


def test_special_tokens_padding_and_no_object_never_count():
    values = probabilities({0: 0.5, 9: 0.3, 12: 0.1, 3: 0.05})
    grounded, = grounded_phrases(values, [OFFSETS + [(0, 0)] * 5], [CAPTION])
    assert grounded.phrases == ['circle']


def test_a_caption_without_tokens_gives_empty_phrases():
    grounded, = grounded_phrases(probabilities({1: 0.5}, {}), [[(0, 0), (0, 0)]], [''])
    assert grounded.spans == [[], []] and grounded.phrases == ['', ''] and grounded.labels == [0, 0]


def test_captions_of_a_batch_are_apart():
    values = torch.cat([probabilities({3: 0.9}), probabilities({1: 0.9})])
    grounded = grounded_phrases(values, [OFFSETS, [(0, 0), (0, 3), (0, 0)]], [CAPTION, 'cat'])
    assert [of_caption.phrases for of_caption in grounded] == [['circle'], ['cat']]


@pytest.mark.parametrize('caption, begin, end', [
    ('赤い丸の左の青い星', 2, 3), ('a 🐈 on a mat', 2, 3), ('Ärger, ñandú', 7, 12)])
def test_letters_of_several_tokens_are_whole(caption, begin, end):
    (ids, ), (offsets, ) = tokenize(train_tokenizer(['a b'], 262), [caption], 100)
    tokens = [place for place, (start, stop) in enumerate(offsets) if begin <= start < stop <= end]
    assert len(tokens) > end - begin or len(ids) > len(caption) + 2  # byte by byte
    values = probabilities(dict.fromkeys(tokens, 0.05), columns=256)
    grounded, = grounded_phrases(values, [offsets], [caption])
    assert grounded.phrases == [caption[begin:end]] and grounded.spans == [[[begin, end]]]


def test_spans_join_over_spaces_and_overlaps():
    assert join_spans([[6, 12], [2, 5], [2, 4]], CAPTION) == [[2, 12]]
    assert join_spans([[0, 1], [1, 3]], 'cat') == [[0, 3]]
    assert join_spans([[0, 1], [2, 3]], 'a-b') == [[0, 1], [2, 3]]


def test_equal_phrases_have_equal_numbers():
    assert number_phrases([[[5, 7]], [[0, 2]], [[5, 7]], [[0, 2], [5, 7]], []]) == [3, 1, 3, 2, 0]


def test_rejects_a_fraction_above_1():
    with pytest.raises(ValueError, match='phrase_fraction .* 1.5'):
        grounded_phrases(probabilities({1: 0.5}), [OFFSETS], [CAPTION], 1.5)
