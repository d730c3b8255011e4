"""Spans of characters: tidied, counted in words, and kept through cleaning."""
import pytest

from mmdet_ext.text.spans import clean_text, consolidate_spans, shift_spans, word_span

CAPTION = 'a well-known man, (two) dogs'


@pytest.mark.parametrize('text, tidy', [
    ('man,', ['man']),
    ('(two)', ['two']),
    ('well', ['well-known']),
    ('known man', ['well-known man']),
    ('-', []),
    (', (', []),
    (' dogs', ['dogs']),
])
def test_a_span_becomes_whole_words(text, tidy):
    begin = CAPTION.index(text)
    spans = consolidate_spans([[begin, begin + len(text)]], CAPTION)
    assert [CAPTION[begin:end] for begin, end in spans] == tidy


def test_spans_that_overlap_are_joined_and_those_that_touch_are_not():
    assert consolidate_spans([[3, 5], [0, 2], [1, 4]], 'abcdefgh') == [[0, 5]]
    assert consolidate_spans([[2, 4], [0, 2]], 'abcdefgh') == [[0, 2], [2, 4]]


def test_a_word_with_several_hyphens_is_taken_whole_from_any_part():
    caption = 'the out-of-date map'
    assert {tuple(consolidate_spans([[begin, end]], caption)[0]) for begin, end in [(4, 7), (8, 10), (11, 15)]} == {
        (4, 15)}


def test_parts_of_a_hyphenated_word_become_one_span():
    assert consolidate_spans([[2, 6], [7, 12]], CAPTION) == [[2, 12]]


def test_what_reaches_out_of_the_caption_is_cut_off():
    assert consolidate_spans([[-1, 1], [24, 99], [99, 101]], CAPTION) == [[0, 1], [24, 28]]


def test_consolidating_again_changes_nothing_and_the_argument_is_kept():
    spans = [[13, 17], [2, 6]]
    tidy = consolidate_spans(spans, CAPTION)
    assert consolidate_spans(tidy, CAPTION) == tidy == [[2, 12], [13, 16]]
    assert spans == [[13, 17], [2, 6]]


def test_an_empty_caption_has_no_spans():
    assert consolidate_spans([[0, 3]], '') == []


def test_shifted_spans():
    assert shift_spans([[0, 2], [4, 5]], 10) == [[10, 12], [14, 15]]


@pytest.mark.parametrize('words, text', [
    ('0', 'Is'), ('2', 'fire'), ('2:4', 'fire hydrant,'), ('1:3', 'the fire'), ('4:9', 'red?'), ('0:5', None)
])
def test_word_numbers_become_characters(words, text):
    caption = 'Is the fire hydrant, red?'
    begin, end = word_span(words, caption)
    assert caption[begin:end] == (text or caption)


@pytest.mark.parametrize('words', ['5', '5:6', '3:3', '3:2', '-1', '1:', 'a', '', '1,2'])
def test_words_that_are_not_there_are_an_error(words):
    with pytest.raises(ValueError, match=f"annotated words .* 5 words .* got '{words}'"):
        word_span(words, 'Is the fire hydrant, red?')


@pytest.mark.parametrize('text, clean', [
    ('  a  cup\n\ton it ', 'a cup on it'), ('cup!!! on.. it', 'cup! on. it'), ('good', 'good'), (' . . ', '. .'),
    ('', '')
])
def test_texts_are_cleaned(text, clean):
    caption, positions = clean_text(text)
    assert caption == clean and len(positions) == len(text) + 1
    assert positions == sorted(positions) and max(positions) <= len(clean)


def test_positions_in_a_clean_text_follow_the_characters():
    text = '  the   cup!!!  and plate'
    caption, positions = clean_text(text)
    for word in ('the', 'cup', 'and', 'plate'):
        begin = text.index(word)
        assert caption[positions[begin]:positions[begin + len(word)]].strip('!') == word
