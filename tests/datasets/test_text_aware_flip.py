"""TextAwareFlip: words, case, spans and pixels."""
import numpy as np
import pytest
import torch
from mmdet.structures.bbox import HorizontalBoxes

from mmdet_ext.datasets.transforms import TextAwareFlip
from mmdet_ext.datasets.transforms.text_aware_flip import mirror_text


@pytest.mark.parametrize('text, mirrored', [
    ('the man on the left', 'the man on the right'),
    ('LEFT of it, Right there', 'RIGHT of it, Left there'),
    ('the leftmost of the right-hand dogs, leftwards', 'the rightmost of the left-hand dogs, rightwards'),
    ('a bright copyright, upright and cleft', 'a bright copyright, upright and cleft'),
    ('leftover rights', 'leftover rights'),
    ('left', 'right'),
    ('', ''),
])
def test_words_are_swapped_whole_and_keep_their_case(text, mirrored):
    assert mirror_text(text)[0] == mirrored
    assert mirror_text(mirrored)[0] == text


def test_spans_keep_their_words():
    text = 'left cup right of the left plate, the rightmost one'
    mirrored, move = mirror_text(text)
    words = ['left cup', 'cup', 'right', 'the left plate', 'plate', 'the rightmost one', 'one', text]
    expected = ['right cup', 'cup', 'left', 'the right plate', 'plate', 'the leftmost one', 'one', mirrored]
    for old, new in zip(words, expected, strict=True):
        begin, end = move(text.index(old), text.index(old) + len(old))
        assert mirrored[begin:end] == new


def test_every_span_stays_a_span_and_twice_mirrored_ones_come_back_where_no_word_is_cut():
    text = 'right and left, right'
    mirrored, move = mirror_text(text)
    _, back = mirror_text(mirrored)
    cuts = {place for start in (0, 10, 16) for place in range(start + 1, start + (4 if start == 10 else 5))}
    for begin in range(len(text)):
        for end in range(begin + 1, len(text) + 1):
            moved = move(begin, end)
            assert 0 <= moved[0] < moved[1] <= len(mirrored)
            if not {begin, end} & cuts:
                assert back(*moved) == [begin, end]


def results() -> dict:
    text = 'the cat left of the dog'
    return dict(img=np.arange(24, dtype=np.uint8).reshape(2, 4, 3), text=text, answer='left',
                gt_bboxes=HorizontalBoxes(np.array([[0, 0, 1, 2]], np.float32)),
                gt_tokens_positive=[[[0, 7], [16, 23]]], tokens_positive_eval=[[[0, 7]], [[16, 23]]])


def test_image_boxes_caption_spans_and_answer_are_mirrored_together():
    done = TextAwareFlip(prob=1.)(results())
    np.testing.assert_array_equal(done['img'], results()['img'][:, ::-1])
    torch.testing.assert_close(done['gt_bboxes'].tensor, torch.tensor([[3., 0, 4, 2]]))
    assert done['text'] == 'the cat right of the dog' and done['answer'] == 'right'
    assert done['gt_tokens_positive'] == [[[0, 7], [17, 24]]] and done['tokens_positive_eval'] == [[[0, 7]], [[17, 24]]]


def test_without_a_flip_nothing_changes():
    done = TextAwareFlip(prob=0.)(results())
    assert not done['flip'] and done['text'] == results()['text'] and done['answer'] == 'left'
    np.testing.assert_array_equal(done['img'], results()['img'])


def test_text_and_image_are_always_flipped_together():
    flip = TextAwareFlip(prob=0.5)
    done = [flip(results()) for _ in range(40)]
    assert {(one['flip'], 'right' in one['text']) for one in done} == {(True, True), (False, False)}


def test_prob_is_checked():
    with pytest.raises(ValueError, match='prob must be between 0 and 1, got 2'):
        TextAwareFlip(prob=2)
