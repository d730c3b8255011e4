"""Masks of grounding data: which polygons are good, what becomes of bad ones, and masks that stay on their pixels."""
import cv2
import numpy as np
import pytest
from grounding_files import image, row, write_grounding
from pycocotools import mask as coco_mask

from mmdet_ext.annotations.mask_checks import decode_masks, mask_problem
from mmdet_ext.datasets import MDETRDataset
from mmdet_ext.shapes import ShapesConfig, load_scenes, make_shapes, visible_masks

SQUARE = [10, 20, 40, 20, 40, 60, 10, 60]
LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True, with_mask=True)]


def run_length(*regions: tuple[int, int, int, int]) -> dict:
    mask = np.zeros((80, 100), np.uint8)
    for x1, y1, x2, y2 in regions:
        mask[y1:y2, x1:x2] = 1
    code = coco_mask.encode(np.asfortranarray(mask))
    return dict(size=[80, 100], counts=code['counts'].decode())


@pytest.mark.parametrize('segmentation', [
    [SQUARE], [SQUARE, [0, 0, 5, 0, 5, 5]], run_length((10, 20, 40, 60)),
    dict(size=[80, 100], counts=[100, 20, 80 * 100 - 120]), [[0.5, 1, 7, 3.25, 2, 9]],
])
def test_good_masks(segmentation):
    assert mask_problem(segmentation, 100, 80) == ''
    assert decode_masks([segmentation], 80, 100).any()


@pytest.mark.parametrize('segmentation, problem', [
    (None, 'there is no segmentation'),
    ([], 'segmentation has no polygon'),
    ('1 2 3', "segmentation '1 2 3' is neither"),
    (SQUARE, 'segmentation is a flat list of numbers'),
    ([SQUARE, [1, 2, 3, 4]], 'polygon 1 of segmentation has 4 numbers'),
    ([[1, 2, 3, 4, 5, 6, 7]], 'polygon 0 of segmentation has 7 numbers'),
    ([[]], 'polygon 0 of segmentation has 0 numbers'),
    ([[1, 2, 3, 4, 5, float('nan')]], 'polygon 0 of segmentation is not finite'),
    ([[1, 2, 3, 4, 5, '6']], 'is no list of numbers'),
    (dict(size=[100, 80], counts='abc'), r'has the size \[100, 80\], the image \[80, 100\]'),
    (dict(size=[80, 100], counts=[1, 2]), 'the counts of the run-length mask'),
    (dict(size=[80, 100], counts=[8000]), 'the run-length mask is empty'),
    (dict(size=[80, 100]), 'the run-length mask has counts None'),
    (run_length(), 'the run-length mask is empty'),
])
def test_bad_masks_are_named_or_left_out_with_their_boxes_and_spans(tmp_path, segmentation, problem):
    rows = (row(6, segmentation=[SQUARE]), row(7, segmentation=segmentation, tokens_positive=[[26, 39]]))
    arguments = write_grounding(tmp_path, *rows) | dict(serialize_data=False)
    with pytest.raises(ValueError, match=f'ann.json: image 1, annotation 7: .*{problem}.*bad_masks'):
        MDETRDataset(with_mask=True, **arguments)
    item = MDETRDataset(with_mask=True, bad_masks='skip', **arguments)[0]
    assert [instance['mask'] for instance in item['instances']] == [[SQUARE]]
    assert item['gt_tokens_positive'] == [[[0, 14]]]
    assert len(MDETRDataset(**arguments)[0]['instances']) == 2  # masks do not matter where none are asked for


def test_bad_masks_is_checked():
    with pytest.raises(ValueError, match="bad_masks must be 'error' or 'skip', got 'drop'"):
        MDETRDataset(bad_masks='drop')


@pytest.mark.parametrize('polygons', [True, False])
def test_masks_stay_on_their_pixels_through_the_whole_pipeline(tmp_path, polygons):
    """Objects are painted: after resizing, cropping and mirroring, the masks are where the paint is."""
    boxes = ([10, 20, 30, 40], [60, 10, 20, 20])
    pixels = np.zeros((80, 100, 3), np.uint8)
    rows = []
    for i, (x, y, w, h) in enumerate(boxes):
        pixels[y:y + h, x:x + w, i] = 255
        corners = [x, y, x + w, y, x + w, y + h, x, y + h]
        spans = [[0, 14]] if i else [[26, 39]]
        rows.append(row(i + 1, bbox=[x, y, w, h], segmentation=[corners], tokens_positive=spans))
    cv2.imwrite(str(tmp_path / '1.png'), pixels)
    pipeline = [LOAD[0], dict(LOAD[1], poly2mask=not polygons), dict(type='FloorResize', scales=[(200, None)]),
                dict(type='BoxSafeRandomCrop', min_size=150, max_size=185),
                dict(type='FloorResize', scales=[(240, 340)]), dict(type='TextAwareFlip', prob=0.5),
                dict(type='PackGroundingInputs')]
    dataset = MDETRDataset(with_mask=True, pipeline=pipeline, **write_grounding(tmp_path, *rows, images=(image(), )))
    sizes = set()
    for _ in range(12):
        packed = dataset[0]
        painted = packed['inputs'].numpy() > 127
        sizes.add(painted.shape)
        masks = packed['data_samples'].gt_instances.masks.to_ndarray()
        assert masks.shape == (2, *painted.shape[1:])
        for mask, paint in zip(masks.astype(bool), painted):
            # by two pixels at most, where nearest pixels are taken of masks and means of images
            assert (cv2.erode((mask ^ paint).astype(np.uint8), np.ones((4, 4), np.uint8)) == 0).all()
            assert mask.any() and paint.any()
    assert len(sizes) > 3


def test_boxes_that_a_crop_loses_take_their_masks_along(tmp_path):
    rows = (row(1, bbox=[0, 0, 2, 2], segmentation=[[0, 0, 2, 0, 2, 2, 0, 2]]), row(2, segmentation=[SQUARE]),
            row(3, bbox=[97, 77, 3, 3], segmentation=[[97, 77, 100, 77, 100, 80, 97, 80]]))
    cv2.imwrite(str(tmp_path / '1.png'), np.zeros((80, 100, 3), np.uint8))
    pipeline = [*LOAD, dict(type='BoxSafeRandomCrop', min_size=20, max_size=20, attempts=2),
                dict(type='PackGroundingInputs')]
    dataset = MDETRDataset(with_mask=True, pipeline=pipeline, **write_grounding(tmp_path, *rows))
    counts = set()
    for _ in range(30):
        instances = dataset[0]['data_samples'].gt_instances
        assert len(instances.masks) == len(instances.bboxes) == len(instances.tokens_positive)
        assert instances.masks.masks.shape[1:] == (20, 20)
        counts.add(len(instances.masks))
    assert counts >= {0, 1}


@pytest.mark.parametrize('kind', ['grounding', 'refexp'])
def test_a_segmenters_pipeline_reads_shapes_exactly(tmp_path, kind):
    make_shapes(tmp_path / 'shapes', ShapesConfig(train=4, val=1, test=1))
    annotations = tmp_path / 'shapes/annotations'
    scenes = {scene.file_name: scene for scene in load_scenes(annotations / 'scenes_train.json')}
    dataset = MDETRDataset(ann_file=str(annotations / f'{kind}_train.json'), with_mask=True,
                           data_prefix=dict(img=str(tmp_path / 'shapes/train')),
                           pipeline=[*LOAD, dict(type='PackGroundingInputs')])
    for packed in dataset:
        sample = packed['data_samples']
        scene = scenes[sample.img_path.split('/')[-1]]
        visible = {obj.box: mask for obj, mask in zip(scene.objects, visible_masks(scene), strict=True)}
        instances = sample.gt_instances
        for (x1, y1, x2, y2), mask in zip(instances.bboxes.tensor.int().tolist(), instances.masks.masks, strict=True):
            np.testing.assert_array_equal(mask.astype(bool), visible[x1, y1, x2 - x1, y2 - y1])
