import pytest
from mmdet_ext.datasets.builders.spans import consolidate_spans, shift_spans

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
