"""BoxSafeRandomCrop: which crops come out, what is kept, and the last attempt."""
import numpy as np
import pytest
import torch
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks

from mmdet_ext.datasets.transforms import BoxSafeRandomCrop


def results(*boxes, height: int = 60, width: int = 80) -> dict:
    """An image whose pixels tell their place, (x, y, 0)."""
    picture = np.stack(np.broadcast_arrays(np.arange(width), np.arange(height)[:, None], 0), axis=-1).astype(np.uint8)
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    masks = np.zeros((len(boxes), height, width), np.uint8)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.astype(int)):
        mask[y1:y2, x1:x2] = 1
    return dict(img=picture, gt_bboxes=HorizontalBoxes(boxes), gt_bboxes_labels=np.arange(len(boxes)),
                gt_ignore_flags=np.zeros(len(boxes), bool), gt_masks=BitmapMasks(masks, height, width),
                gt_tokens_positive=[[[i, i + 1]] for i in range(len(boxes))])


def test_no_box_is_lost_and_boxes_and_masks_stay_on_their_pixels():
    boxes = [(5, 5, 12, 15), (60, 40, 75, 55)]
    crop = BoxSafeRandomCrop(40, 100)
    sizes = set()
    for _ in range(100):
        done = crop(results(*boxes))
        sizes.add(done['img_shape'])
        x, y, _ = done['img'][0, 0]
        height, width = done['img'].shape[:2]
        assert done['gt_tokens_positive'] == [[[0, 1]], [[1, 2]]] and done['img_shape'] == (height, width)
        expected = torch.tensor(boxes).float() - torch.tensor([x, y, x, y])
        expected[:, 0::2] = expected[:, 0::2].clamp(0, width)
        expected[:, 1::2] = expected[:, 1::2].clamp(0, height)
        torch.testing.assert_close(done['gt_bboxes'].tensor, expected)
        for mask, box in zip(done['gt_masks'].masks, expected.int().tolist(), strict=True):
            assert mask.sum() == mask[box[1]:box[3], box[0]:box[2]].size > 0
    assert len(sizes) > 20


def test_sides_are_uniform_between_the_smallest_and_the_images():
    crop = BoxSafeRandomCrop(58, 79)
    shapes = np.array([crop(results())['img_shape'] for _ in range(660)])
    assert set(shapes[:, 0]) == {58, 59, 60} and set(shapes[:, 1]) == set(range(58, 80))
    assert np.bincount(shapes[:, 0])[58:].min() > 170 and np.bincount(shapes[:, 1])[58:].min() > 10


def test_a_side_shorter_than_the_smallest_stays_whole():
    assert BoxSafeRandomCrop(70, 75)(results())['img_shape'][0] == 60


def test_the_last_attempt_is_taken_and_lost_boxes_take_all_that_is_theirs():
    crop = BoxSafeRandomCrop(10, 10, attempts=3)
    lost = 0
    for _ in range(50):
        done = crop(results((0, 0, 2, 2), (20, 15, 60, 45), (78, 58, 80, 60)))  # never all in 10 x 10
        kept = done['gt_bboxes_labels'].tolist()
        lost += 3 - len(kept)
        assert done['gt_tokens_positive'] == [[[i, i + 1]] for i in kept]
        assert len(done['gt_bboxes']) == len(done['gt_ignore_flags']) == len(done['gt_masks']) == len(kept) < 3
        assert (done['gt_bboxes'].areas > 0).all()
    assert lost > 50


def test_more_attempts_lose_fewer_boxes():
    def losses(attempts: int) -> int:
        crop = BoxSafeRandomCrop(40, 40, attempts=attempts)
        return sum(len(crop(results((30, 20, 45, 35), (70, 50, 76, 56)))['gt_bboxes']) < 2 for _ in range(60))

    assert losses(1) > 20 and losses(100) == 0


@pytest.mark.parametrize('arguments, message', [
    ((0, 5), 'min_size must be positive and at most max_size, got 0 and 5'),
    ((6, 5), 'got 6 and 5'),
    ((4, 5, 0), 'attempts must be at least 1, got 0'),
])
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        BoxSafeRandomCrop(*arguments)
