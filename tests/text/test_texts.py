"""Texts in the place of classes: phrases of a text, and negatives from other images."""
import pytest

from mmdet_ext.text.texts import borrow_texts, split_phrases, words_of


@pytest.mark.parametrize('text, expected', [
    ('a red circle', ['a red circle']),
    ('a red circle . two stars.', ['a red circle', 'two stars']),
    (' cat .  dog . ', ['cat', 'dog']),
    ('3.5 cm . v1.2', ['3.5 cm', 'v1.2']),
    (' . ', [])])
def test_phrases_are_between_dots_and_know_their_characters(text, expected):
    phrases = split_phrases(text)
    assert [phrase.words for phrase in phrases] == expected
    assert [text[begin:end] for phrase in phrases for begin, end in phrase.spans] == expected


def test_given_spans_are_the_phrases():
    phrases = split_phrases('the red circle . star', [[[4, 14]], [[0, 3], [17, 21]]])
    assert [phrase.words for phrase in phrases] == ['red circle', 'the ... star']


def test_words_are_without_articles_and_plurals():
    assert words_of('The two Red circles') == {'red', 'circle'}


def test_negatives_come_from_other_images_and_share_no_word():
    texts = [('a red circle', ), ('a blue star', 'two circles'), ('a dog', 'a blue star')]
    assert borrow_texts(texts, [True, True, False], 9) == [
        ('a red circle', 'a blue star', 'a dog'), ('a blue star', 'two circles', 'a dog'), ('a dog', 'a blue star')]
    assert borrow_texts(texts, [True] * 3, 1)[0] == ('a red circle', 'a blue star')
    assert borrow_texts(texts, [True] * 3, 0) == texts
    assert borrow_texts([(), ('a dog', )], [True, True], 9) == [('a dog', ), ('a dog', )]
