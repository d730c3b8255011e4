"""Truth and prediction side by side."""
import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import VISUALIZERS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.structures import InstanceData, PixelData

from mmdet_ext.drawing import COLORS
from mmdet_ext.launch import use_large_visualizer

HEADING, GAP = 29, 8  # pixels at 640: the strip above an image, and what is between two
NAMES = dict(classes=('cat', 'dog'))


@pytest.fixture
def visualizer():
    visualizer = VISUALIZERS.build(dict(type='LargeVisualizer', name='large'))
    visualizer.dataset_meta = dict(NAMES)
    return visualizer


@pytest.fixture
def sample() -> DetDataSample:
    boxes = torch.tensor([[20., 60, 80, 120], [120, 60, 180, 120]])
    return DetDataSample(
        gt_instances=InstanceData(bboxes=boxes[:1], labels=torch.tensor([0])),
        pred_instances=InstanceData(bboxes=boxes, labels=torch.tensor([1, 0]), scores=torch.tensor([0.4, 0.2])))


def grey() -> np.ndarray:
    return np.full((160, 208, 3), 200, np.uint8)


def pixels_of(image: np.ndarray, color: tuple[int, int, int]) -> int:
    return int((image == color).all(axis=-1).sum())


def test_truth_is_left_and_prediction_right_with_headings(visualizer, sample, tmp_path):
    visualizer.add_datasample('x', grey(), sample, out_file=tmp_path / 'x.png')
    drawn = cv2.imread(str(tmp_path / 'x.png'))[..., ::-1]
    np.testing.assert_array_equal(drawn, visualizer.get_image())
    assert drawn.shape == (HEADING + 492, 2 * 640 + GAP, 3)
    left, right = drawn[:, :640], drawn[:, 640 + GAP:]
    for side in (left, right):
        assert (side[:HEADING] < 100).any() and pixels_of(side[:HEADING], (255, 255, 255)) > 1000
    assert pixels_of(left, COLORS[0]) > 500 and pixels_of(left, COLORS[1]) == 0
    assert pixels_of(right, COLORS[0]) == 0 and pixels_of(right, COLORS[1]) > 500  # a score of 0.2 is under 0.3


def test_one_side_is_drawn_alone_and_the_threshold_is_followed(visualizer, sample):
    visualizer.add_datasample('x', grey(), sample, draw_gt=False, pred_score_thr=0.1)
    drawn = visualizer.get_image()
    assert drawn.shape == (HEADING + 492, 640, 3)
    assert pixels_of(drawn, COLORS[0]) > 500 and pixels_of(drawn, COLORS[1]) > 500
    visualizer.add_datasample('x', grey(), sample, draw_pred=False)
    assert pixels_of(visualizer.get_image(), COLORS[1]) == 0


def test_an_image_without_a_sample_stays_as_it_is(visualizer):
    visualizer.add_datasample('x', grey())
    np.testing.assert_array_equal(visualizer.get_image(), grey())


@pytest.mark.parametrize('palette', [[(1, 2, 3), (4, 5, 6)], None, 'coco'])
def test_colours_are_those_of_the_data_set_if_it_has_any(visualizer, sample, palette):
    visualizer.dataset_meta = dict(NAMES, palette=palette)
    visualizer.add_datasample('x', grey(), sample, draw_pred=False)
    color = {None: COLORS[0], 'coco': (220, 20, 60)}.get(palette if palette is None else str(palette), (1, 2, 3))
    assert pixels_of(visualizer.get_image(), color) > 500


def test_names_come_from_the_sample_or_the_classes_or_are_numbers(visualizer):
    instances = InstanceData(bboxes=torch.zeros(2, 4), labels=torch.tensor([1, 7]))
    labels = np.array([1, 7])
    assert visualizer._names(instances, labels) == ['dog', 'class 7']
    instances.label_names = ['a', 'b']
    assert visualizer._names(instances, labels) == ['a', 'b']


def test_masks_and_boxes_of_mmdet_are_taken_and_masks_without_boxes(visualizer, sample):
    masks = np.zeros((1, 160, 208), np.uint8)
    masks[0, 80:100, 30:70] = 1
    sample.gt_instances = InstanceData(bboxes=HorizontalBoxes([[20., 60, 80, 120]]), labels=torch.tensor([0]),
                                       masks=BitmapMasks(masks, 160, 208))
    visualizer.add_datasample('x', grey(), sample, draw_pred=False)
    inside = visualizer.get_image()[HEADING + 277, 154]
    assert inside[0] < 150 < inside[2]
    sample.pred_instances = InstanceData(masks=torch.tensor(masks, dtype=torch.bool), labels=torch.tensor([0]),
                                         scores=torch.tensor([0.9]), bboxes=torch.zeros(1, 4))
    visualizer.add_datasample('x', grey(), sample, draw_gt=False)
    rows, columns = np.nonzero((visualizer.get_image()[HEADING:] == COLORS[0]).all(axis=-1))
    assert columns.min() == pytest.approx(30 * 640 / 208, abs=4) and rows.max() == pytest.approx(305, abs=4)


def test_maps_of_segments_are_drawn_as_mmdet_does(visualizer, sample):
    sample.pred_sem_seg = PixelData(sem_seg=torch.zeros(1, 160, 208, dtype=torch.long))
    visualizer.dataset_meta = dict(NAMES, palette=[(1, 2, 3), (4, 5, 6)])
    visualizer.add_datasample('x', grey(), sample, draw_gt=False)
    assert visualizer.get_image().shape == (160, 208, 3)


def test_it_takes_the_place_of_the_visualizer_of_mmdet():
    cfg = Config(dict(visualizer=dict(type='DetLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')])))
    use_large_visualizer(cfg)
    assert cfg.visualizer == dict(type='LargeVisualizer', vis_backends=[dict(type='LocalVisBackend')])
    other = Config(dict(visualizer=dict(type='GroundingVisualizer')))
    use_large_visualizer(other)
    use_large_visualizer(Config(dict()))
    assert other.visualizer.type == 'GroundingVisualizer'
