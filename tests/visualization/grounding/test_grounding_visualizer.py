"""Boxes and captions in colours."""
import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import VISUALIZERS
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from mmdet_ext.lettering import letter_size
from mmdet_ext.visualization.grounding.caption import INK, draw_caption
from mmdet_ext.visualization.grounding.visualizer import COLORS

CAPTION = 'a red circle left of two blue stars'
CIRCLE, STARS = [[0, 12]], [[21, 35]]
HEADING, GAP = 29, 8  # pixels: the strip above the image that says what it shows, and between two of them
SPANS = [STARS, CIRCLE, STARS, CIRCLE]


@pytest.fixture
def visualizer():
    return VISUALIZERS.build(dict(type='GroundingVisualizer', name='grounding', least_side=1))


@pytest.fixture
def sample() -> DetDataSample:
    boxes = torch.tensor([[100., 20, 140, 60], [20, 30, 70, 90], [150, 60, 190, 110], [5, 100, 45, 130]])
    sample = DetDataSample(
        pred_instances=InstanceData(bboxes=boxes, scores=torch.tensor([0.9, 0.95, 0.8, 0.2]), spans=SPANS),
        gt_instances=InstanceData(bboxes=boxes[:2], labels=torch.zeros(2, dtype=torch.long), tokens_positive=SPANS[:2]))
    sample.set_metainfo(dict(text=CAPTION))
    return sample


def count(image: np.ndarray, color: tuple[int, int, int]) -> int:
    """Pixels of nearly this colour."""
    return int((np.abs(image.astype(int) - color).max(axis=-1) < 45).sum())


def grey(height: int = 140, width: int = 200) -> np.ndarray:
    return np.full((height, width, 3), 250, np.uint8)


def test_each_phrase_has_the_colour_of_its_boxes(sample, tmp_path):
    visualizer = VISUALIZERS.build(dict(type='GroundingVisualizer', name='fourfold', least_side=800))
    visualizer.add_datasample('x', grey(), sample, draw_gt=False, pred_score_thr=0.5, out_file=tmp_path / 'x.png')
    drawn = cv2.imread(str(tmp_path / 'x.png'))[..., ::-1]
    height = round(1.7 * (letter_size((560, 800)) + 2))  # of the heading
    assert drawn.shape[1] == 800 and drawn.shape[0] > height + 600
    first, second = COLORS[:2]
    strip, drawn = drawn[height + 560:], drawn[height:height + 560]
    assert count(strip, first) > 20 and count(strip, second) > 20
    assert count(drawn[200:370, 70:100], first) > 200 and count(drawn[200:370, 70:100], second) == 0
    for stars in (drawn[100:250, 540:570], drawn[250:450, 740:770]):
        assert count(stars, second) > 200 and count(stars, first) == 0


def test_masks_are_tinted(visualizer, sample):
    masks = torch.zeros(4, 140, 200, dtype=torch.bool)
    masks[1, 40:80, 30:60] = True  # of the first phrase
    masks[3, 60:80, 30:60] = True  # of the same, on the other one: tinted once
    sample.pred_instances.masks = masks
    visualizer.add_datasample('x', grey(), sample, draw_gt=False, pred_score_thr=0.1)
    drawn = visualizer.get_image()[HEADING:]
    tinted = np.array(COLORS[0]) // 2 + 125
    assert count(drawn[60:78, 32:58], tinted) > 300 and count(drawn[60:78, 110:140], tinted) == 0


def test_small_images_are_enlarged_with_what_is_on_them(sample):
    sample.pred_instances.masks = torch.zeros(4, 140, 200, dtype=torch.bool)
    sample.pred_instances.masks[0, 30:50, 110:130] = True
    visualizer = VISUALIZERS.build(dict(type='GroundingVisualizer', name='larger', least_side=400))
    visualizer.add_datasample('x', grey(), sample, draw_gt=False, pred_score_thr=0.85)
    drawn = visualizer.get_image()[HEADING:]
    assert drawn.shape[1] == 400 and drawn.shape[0] > 280
    assert count(drawn[40:190, 30:60], COLORS[0]) > 80  # the left side of the circle's box
    tinted = np.array(COLORS[1]) // 2 + 125
    assert count(drawn[85:98, 225:255], tinted) > 200 and count(drawn[85:98, 300:330], tinted) == 0


def test_boxes_below_the_threshold_leave_no_trace(visualizer, sample):
    visualizer.add_datasample('x', grey(), sample, draw_gt=False, pred_score_thr=0.99)
    drawn = visualizer.get_image()[HEADING:]
    assert (drawn[:140] == 250).all()
    assert not any(count(drawn, color) for color in COLORS[:2]) and count(drawn, INK) > 20


def test_truth_stands_left_of_the_prediction_in_the_same_colours(visualizer, sample):
    visualizer.add_datasample('x', grey(), sample, pred_score_thr=0.94)
    drawn = visualizer.get_image()[HEADING:]
    assert drawn.shape[1] == 2 * 200 + GAP
    left, right = drawn[:140, :200], drawn[:140, 200 + GAP:]
    assert count(left, COLORS[1]) > 40 and count(right, COLORS[1]) == 0
    assert count(right[20:95, 15:30], COLORS[0]) > 40


def test_many_odd_predictions_leave_the_truth_its_colours(visualizer, sample):
    odd = [[[begin, begin + 2]] for begin in range(12)]
    sample.pred_instances = InstanceData(bboxes=torch.tensor([[0., 0, 2, 2]] * 12), scores=torch.ones(12), spans=odd)
    visualizer.add_datasample('x', grey(), sample, pred_score_thr=0.5)
    left = visualizer.get_image()[HEADING:][:140, :200]
    assert count(left, COLORS[0]) > 40 and count(left, COLORS[1]) > 40


def test_both_sides_are_equally_high_wherever_the_caption_breaks(visualizer, sample):
    sample.gt_instances.tokens_positive = [[[0, len(CAPTION)]]] * 2  # bold, and so wider
    heights = set()
    for width in range(100, 300, 10):
        visualizer.add_datasample('x', grey(width=width), sample, pred_score_thr=0.999)
        assert visualizer.get_image().shape[1] == 2 * width + GAP
        plain, bold = (len(draw_caption(CAPTION, [color] * len(CAPTION), width, size=9)) for color in (None, COLORS[0]))
        heights.add(bold - plain)
    assert max(heights) > 0  # some of these widths do break the two differently


@pytest.mark.parametrize('text', ['', None])
def test_no_caption_and_no_boxes_are_drawn_too(visualizer, sample, text):
    sample.set_metainfo(dict(text=text))
    sample.pred_instances = sample.pred_instances[:0]
    visualizer.add_datasample('x', grey(), sample, draw_gt=False)
    assert (visualizer.get_image()[HEADING:][:140] == 250).all()
    visualizer.add_datasample('x', grey())
    assert visualizer.get_image().shape == (140, 200, 3)


def test_long_captions_are_broken_inside_the_image():
    short, long = (draw_caption(text, [None] * len(text), 120) for text in ('a cat', 'a cat on a mat ' * 10))
    word = draw_caption('w' * 100, [None] * 100, 120)
    assert short.shape[1] == long.shape[1] == word.shape[1] == 120
    assert len(long) > 4 * len(short) and len(word) > 4 * len(short)
    for strip in (short, long, word):
        assert (strip[:, -3:] == 255).all() and (strip[:, :3] == 255).all() and (strip < 128).any()


@pytest.mark.parametrize('colors', [[None] * 7, [COLORS[0]] * 7, [COLORS[0]] * 3 + [None] * 4])
def test_words_are_apart_and_as_wide_in_any_colour(colors):
    ink = (draw_caption('mmm mmm', colors, 200) < 200).any(axis=(0, 2)).nonzero()[0]
    gaps = np.diff(ink)
    assert (gaps > 3).sum() == 1 and ink[0] >= 8  # one space, and the letters in between
    first, second = np.split(ink, [gaps.argmax() + 1])
    assert len(first) > 25 and len(second) > 25


def test_signs_of_formulas_are_letters():
    assert (draw_caption('costs $5_0 and $6', [None] * 17, 200) < 128).any()
