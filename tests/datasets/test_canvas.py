"""A mosaic of which the crop alone is drawn has the pixels of one that is drawn whole."""
import copy

import numpy as np
import pytest
from mmdet.structures.bbox import HorizontalBoxes
from mmdet_ext.datasets.transforms import YOLOAffine, YOLOCopyPaste, YOLOMosaic
from mmdet_ext.datasets.transforms.canvas import Canvas, Tile
from numpy.testing import assert_array_equal

SIZE = 48


def images(seed: int) -> dict:
    """Four images of noise with outlines, of which copy-paste pastes some."""
    rng = np.random.default_rng(seed)
    results = []
    for i in range(4):
        height, width = rng.integers(8, SIZE, 2)
        sides = [SIZE, int(width)] if i % 2 else [int(height), SIZE]
        corners = rng.uniform(0, 0.5, (3, 2)) * sides[::-1]
        boxes = np.float32(np.concatenate([corners, corners + rng.uniform(4, 20, (3, 2))], axis=1))
        outlines = np.stack([boxes[:, [0, 1]], boxes[:, [2, 1]], boxes[:, [2, 3]], boxes[:, [0, 3]]], axis=1)
        results.append(dict(
            img=rng.integers(0, 255, (*sides, 3), np.uint8), gt_bboxes=HorizontalBoxes(boxes),
            gt_bboxes_labels=np.arange(3) + 3 * i, gt_ignore_flags=np.zeros(3, bool), gt_polygons=outlines))
    return dict(results[0], mix_results=results[1:])


def the_old_way(results: dict) -> np.ndarray:
    """The whole canvas, as it was drawn before there was another way, from the same draws."""
    center_x, center_y = np.random.uniform(0.5 * SIZE, 1.5 * SIZE, 2).astype(int)
    canvas = np.full((2 * SIZE, 2 * SIZE, 3), 114, np.uint8)
    for index, image in enumerate([results, *results['mix_results']]):
        height, width = image['img'].shape[:2]
        left = center_x if index % 2 else center_x - width
        top = center_y if index >= 2 else center_y - height
        x1, y1, x2, y2 = max(left, 0), max(top, 0), min(left + width, 2 * SIZE), min(top + height, 2 * SIZE)
        canvas[y1:y2, x1:x2] = image['img'][y1 - top:y2 - top, x1 - left:x2 - left]
    return canvas


@pytest.mark.parametrize('scale, prob', [(0.9, 0.), (0.9, 1.), (0., 1.)])
def test_pixels_boxes_and_draws_are_those_of_the_whole_canvas(scale, prob):
    num_pasted = 0
    for seed in range(60):
        made = []
        for way in ('old', 'whole', 'deferred'):
            np.random.seed(seed)
            results = images(seed)
            if way == 'old':
                state = np.random.get_state()
                canvas = the_old_way(copy.deepcopy(results))
                np.random.set_state(state)
            results = YOLOMosaic(SIZE, deferred=way == 'deferred')(results)
            assert isinstance(results['img'], Canvas) == (way == 'deferred')
            if way == 'old':
                results['img'] = canvas
            results = YOLOCopyPaste(prob)(results)
            num_pasted += len(results['gt_bboxes']) > 12
            results = YOLOAffine((SIZE, SIZE), scale=scale, translate=0.3)(results)
            made.append((results, np.random.random()))
        (expected, draw), *others = made
        for results, other_draw in others:
            assert_array_equal(results['img'], expected['img'])
            assert_array_equal(results['gt_bboxes'].tensor, expected['gt_bboxes'].tensor)
            assert_array_equal(results['gt_bboxes_labels'], expected['gt_bboxes_labels'])
            assert results['img_shape'] == expected['img_shape'] and other_draw == draw
    assert prob == 0 or num_pasted > 30


def test_a_canvas_is_drawn_in_its_region_only():
    img = np.full((10, 10, 3), 7, np.uint8)
    canvas = Canvas([Tile(img, -3, -4), Tile(img, 7, 6)], 20, 114)
    full_image = np.asarray(canvas)
    expected = np.full((20, 20, 3), 114, np.uint8)
    expected[:6, :7] = 7
    expected[6:16, 7:17] = 7
    assert_array_equal(full_image, expected)
    assert_array_equal(canvas.draw((5, 3, 9, 12))[3:12, 5:9], expected[3:12, 5:9])


def test_the_affine_asks_for_what_it_shows_and_little_more(monkeypatch):
    asked = []
    monkeypatch.setattr(Canvas, 'draw', lambda self, region: asked.append(region) or np.zeros(self.shape, np.uint8))
    draws = iter([2., np.array([0.5, 0.5])])
    monkeypatch.setattr(np.random, 'uniform', lambda *args: next(draws))
    canvas = Canvas([], 2 * SIZE, 114)
    YOLOAffine((SIZE, SIZE))(dict(img=canvas, gt_bboxes=np.zeros((0, 4), np.float32)))
    assert asked == [(34, 34, 62, 62)]  # 36 to 60, and two pixels around


def test_an_outline_outside_of_the_canvas_pastes_nothing():
    canvas = Canvas([Tile(np.full((9, 9, 3), 7, np.uint8), 0, 0)], 20, 114)
    before = np.asarray(canvas)
    canvas.paste_mirrored(np.float32([[[-9, -9], [-5, -9], [-5, -5]], [[30, 2], [40, 2], [40, 8]]]))
    assert_array_equal(np.asarray(canvas), before)
    canvas.paste_mirrored(np.float32([[[14, 2], [18, 2], [18, 6], [14, 6]]]))
    assert (np.asarray(canvas)[2:7, 14:19] == 7).all()
