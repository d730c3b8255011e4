"""Which words of an expression are tied to its box, on parses written by hand."""
import sys
from types import SimpleNamespace

import pytest
from hand_parses import parse, rule_parser

from mmdet_ext.text.parsing import content_words, load_parser, root_spans


def words(rows: list[tuple], **options) -> list[str]:
    text, tokens = parse(*rows)
    return [text[begin:end] for begin, end in root_spans(text, tokens, **options)]


WOMAN = [('the', 'DT', 'det', 2), ('tall', 'JJ', 'amod', 2), ('woman', 'NN', 'ROOT', 2), ('near', 'IN', 'prep', 2),
         ('the', 'DT', 'det', 5), ('dog', 'NN', 'pobj', 3)]


def test_a_noun_root_gives_itself_and_what_stands_left_of_it():
    assert words(WOMAN) == ['the', 'tall', 'woman']


def test_left_children_of_left_nouns_are_taken_too_and_those_of_others_are_not():
    rows = [('very', 'RB', 'advmod', 1), ('old', 'JJ', 'amod', 3), ('stone', 'NN', 'compound', 3),
            ('bridge', 'NN', 'ROOT', 3), ('here', 'RB', 'advmod', 3)]
    assert words(rows) == ['old', 'stone', 'bridge']
    rows[1] = ('old', 'JJ', 'amod', 2)  # of the stone
    assert words(rows) == ['old', 'stone', 'bridge']


def test_a_hyphen_joins_words():
    text = 'a well-known man with hats'
    _, tokens = parse(('a', 'DT', 'det', 2), ('well-known', 'JJ', 'amod', 2), ('man', 'NN', 'ROOT', 2),
                      ('with', 'IN', 'prep', 2), ('hats', 'NNS', 'pobj', 3))
    tokens[1].text = 'known'
    tokens[1].idx = 7
    assert [text[begin:end] for begin, end in root_spans(text, tokens)] == ['a', 'well-known', 'man']


def test_another_root_gives_its_first_noun_child():
    rows = [('she', 'PRP', 'nsubj', 1), ('holds', 'VBZ', 'ROOT', 1, 'VERB'), ('the', 'DT', 'det', 3),
            ('cup', 'NN', 'dobj', 1)]
    assert words(rows) == ['she']
    assert words([('quickly', 'RB', 'advmod', 1), *rows[1:], ('now', 'NN', 'npadvmod', 1)]) == ['the', 'cup']


def test_an_interjection_is_no_root():
    assert words([('yes', 'UH', 'ROOT', 0), *[(*row[:3], row[3] + 1) for row in WOMAN]]) == ['the', 'tall', 'woman']


@pytest.mark.parametrize('rows', [
    [('left', 'JJ', 'amod', 1), ('guy', 'NN', 'ROOT', 1)],
    [('left', 'JJ', 'ROOT', 0), ('of', 'IN', 'prep', 0), ('men', 'NNS', 'pobj', 1), ('cars', 'NNS', 'pobj', 1)],
    [('yes', 'UH', 'ROOT', 0), ('man', 'NN', 'dep', 0), ('dog', 'NN', 'dep', 0)],
    [('standing', 'VBG', 'compound', 1, 'VERB'), ('guy', 'NN', 'ROOT', 1), ('shirt', 'NN', 'dep', 1)],
], ids=['one noun', 'no noun below the root', 'no root', 'verb as compound'])
def test_the_whole_text_is_taken(rows):
    assert words(rows) == [' '.join(row[0] for row in rows)]


def test_a_verb_elsewhere_changes_nothing():
    assert words([('standing', 'VBG', 'amod', 1, 'VERB'), ('guy', 'NN', 'ROOT', 1), ('shirt', 'NN', 'dep', 1)]) == [
        'standing', 'guy']


def test_one_noun_is_looked_at_if_asked():
    assert words([('guy', 'NN', 'ROOT', 0), ('left', 'RB', 'advmod', 0)], lazy=False) == ['guy']


def test_content_words_are_basic_forms_without_stop_words():
    text = 'The red cups .'
    assert content_words(text, next(rule_parser([text]))) == ['red', 'cup']
    assert content_words('The red cups, 2.', None) == ['the', 'red', 'cups', '2']


def test_no_parser_parses_nothing():
    assert list(load_parser('none')(['a', 'b'])) == [None, None]


def test_without_spacy_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, 'spacy', None)
    with pytest.raises(ValueError, match='pip install spacy && python -m spacy download en_core_web_sm, or .*none'):
        load_parser('spacy')


def test_without_its_model_too(monkeypatch):

    def load(*_, **__):
        raise OSError('[E050]')

    monkeypatch.setitem(sys.modules, 'spacy', SimpleNamespace(load=load))
    with pytest.raises(ValueError, match='the model en_core_web_sm, .*python -m spacy download en_core_web_sm'):
        load_parser('spacy')


def test_spacy_parses_many_texts_at_a_time(monkeypatch):
    asked = []

    def load(name: str, **_):
        asked.append(name)
        return SimpleNamespace(pipe=rule_parser)

    monkeypatch.setitem(sys.modules, 'spacy', SimpleNamespace(load=load))
    assert [len(tokens) for tokens in load_parser('spacy')(['a cup', 'cup'])] == [2, 1]
    assert asked == ['en_core_web_sm']


def test_an_unknown_parser_is_an_error():
    with pytest.raises(ValueError, match="parser must be one of .*'stanza'"):
        load_parser('stanza')
