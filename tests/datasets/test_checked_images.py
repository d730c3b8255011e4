"""Images of another size than the annotation file says, or none at all, are refused in every pipeline and data set."""
from pathlib import Path

import cv2
import numpy as np
import pytest
from annotated_files import CLASSES, COCO_SETS, DATASET_KINDS, HEIGHT, WIDTH, build, write
from PIL import ExifTags, Image

from mmdet_ext.datasets import SeededMixDataset

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True)]
PIPELINES = {
    'load': LOAD[:1],
    'mdetr': [*LOAD, dict(type='FloorResize', scales=[(64, None)]), dict(type='PackGroundingInputs')],
    'mmdet': [*LOAD, dict(type='Resize', scale=(96, 96), keep_ratio=True), dict(type='PackDetInputs')],
    'yolo training': [*LOAD, dict(type='LoadPolygons'), dict(type='YOLOResize', size=48, shrink='linear')],
    'yolo evaluation': [LOAD[0], dict(type='YOLOResize', size=48), dict(type='RectLetterbox'), LOAD[1],
                        dict(type='PackDetInputs', meta_keys=('scale_factor', ))],
}


def sizes(width: int, height: int):
    return lambda content: content['images'][0].update(width=width, height=height)


@pytest.mark.parametrize('cache', [None, 'ram', 'disk'])
@pytest.mark.parametrize('pipeline', PIPELINES)
@pytest.mark.parametrize('kind', DATASET_KINDS)
def test_another_size_than_the_file_says_is_refused(tmp_path, kind, pipeline, cache):
    options = dict(pipeline=PIPELINES[pipeline], cache=cache, cache_limit=cache and 0.01)
    build(kind, write(tmp_path, kind), **options)[0]
    for (width, height), remark in (((HEIGHT, WIDTH), '64 x 96: width and height are swapped'),
                                    ((WIDTH // 2, HEIGHT // 2), '48 x 32$'), ((WIDTH, HEIGHT + 1), '96 x 65$')):
        dataset = build(kind, write(tmp_path, kind, sizes(width, height)), **options)
        for _ in range(2):  # the second time from the cache
            with pytest.raises(ValueError, match=f'1.png has 96 x 64 pixels .* the annotation file says {remark}'):
                dataset[0]


@pytest.mark.parametrize('kind', DATASET_KINDS)
def test_an_image_that_exif_turns_is_of_the_size_in_which_it_is_loaded(tmp_path, kind):
    image = Image.new('RGB', (WIDTH, HEIGHT))
    exif = image.getexif()
    exif[ExifTags.Base.Orientation] = 6
    for size, accepted in (((HEIGHT, WIDTH), True), ((WIDTH, HEIGHT), False)):
        def change(content: dict, size: tuple[int, int] = size) -> None:
            content['images'][0].update(file_name='1.jpg', width=size[0], height=size[1])

        dataset = build(kind, write(tmp_path, kind, change), pipeline=LOAD)
        image.save(tmp_path / '1.jpg', exif=exif)
        if accepted:
            assert dataset[0]['img'].shape == (WIDTH, HEIGHT, 3)
        else:
            with pytest.raises(ValueError, match='64 x 96 pixels .* 96 x 64: width and height are swapped'):
                dataset[0]


@pytest.mark.parametrize('kind', COCO_SETS)
def test_images_that_a_mosaic_adds_are_checked(tmp_path, kind):
    dataset = build(kind, write(tmp_path, kind, sizes(HEIGHT, WIDTH)), pipeline=PIPELINES['yolo training'])
    good = build(kind, write(tmp_path, kind), pipeline=PIPELINES['yolo training'])
    mix = SeededMixDataset(dataset=good, pipeline=[dict(type='YOLOMosaic', size=48)])
    assert mix[0]['img'].shape == (96, 96, 3)
    mix._other_samples = lambda transform: [dataset[0]] * 3
    with pytest.raises(ValueError, match='width and height are swapped'):
        mix[0]


@pytest.mark.parametrize('cache', [None, 'ram', 'disk'])
@pytest.mark.parametrize('kind', DATASET_KINDS)
@pytest.mark.parametrize('content', [b'', b'no image', b'\x89PNG\r\n\x1a\n'])
def test_a_file_that_is_no_image_is_named(tmp_path, kind, content, cache):
    dataset = build(kind, write(tmp_path, kind), pipeline=LOAD, cache=cache, cache_limit=cache and 0.01)
    (tmp_path / '1.png').write_bytes(content)
    with pytest.raises(ValueError, match='cannot prepare the image .*1.png'):
        dataset[0]


@pytest.mark.parametrize('kind', DATASET_KINDS)
def test_a_missing_image_is_named(tmp_path, kind):
    dataset = build(kind, write(tmp_path, kind), pipeline=LOAD)
    (tmp_path / '1.png').unlink()
    with pytest.raises(FileNotFoundError, match='1.png'):
        dataset[0]


@pytest.mark.parametrize('kind', DATASET_KINDS)
@pytest.mark.parametrize('shape, dtype', [((HEIGHT, WIDTH), np.uint8), ((HEIGHT, WIDTH), np.uint16),
                                          ((HEIGHT, WIDTH, 3), np.uint16), ((HEIGHT, WIDTH, 4), np.uint8)])
def test_grey_16_bit_and_transparent_images_are_read_as_colours(tmp_path, kind, shape, dtype):
    dataset = build(kind, write(tmp_path, kind), pipeline=LOAD)
    value = 100 if dtype is np.uint8 else 100 << 8
    cv2.imwrite(str(tmp_path / '1.png'), np.full(shape, value, dtype))
    img = dataset[0]['img']
    assert img.shape == (HEIGHT, WIDTH, 3) and img.dtype == np.uint8 and (img == 100).all()


@pytest.mark.parametrize('kind', DATASET_KINDS)
def test_an_absolute_file_name_is_that_file(tmp_path, kind):
    place = tmp_path / 'elsewhere.png'
    dataset = build(kind, write(tmp_path, kind, lambda content: content['images'][0].update(file_name=str(place))),
                    pipeline=LOAD)
    (tmp_path / '1.png').rename(place)
    assert Path(dataset[0]['img_path']) == place and dataset[0]['img'].shape == (HEIGHT, WIDTH, 3)


RUNS = dict(size=[HEIGHT, WIDTH], counts=[0, 50, HEIGHT * WIDTH - 50])
SEGMENTATIONS = [
    ([5, 5, 35, 5, 5, 45], r'segmentation is a flat list of numbers, \[5, 5, 35, 5, 5, 45\]: .* written \[\[x, y'),
    ([[5, 5, 35, 5, 5, 45, 9]], 'polygon 0 of segmentation has 7 numbers'),
    ([[5, 5, 35, 5, 5, '45']], 'polygon 0 of segmentation is no list of numbers'),
    ([[5, 5, 35, 5, 5, None]], 'polygon 0 of segmentation is no list of numbers'),
    ([[5, 5, 35, 5, 5, float('nan')]], 'polygon 0 of segmentation is not finite'),
    ([[5, 5, 35, 5, 5, 45], {}], 'polygon 1 of segmentation is no list of numbers'),
    ('mask', "segmentation 'mask' is neither"), (7, 'segmentation 7 is neither'),
    (dict(size=[HEIGHT, WIDTH]), 'the run-length mask has counts None'),
    (RUNS | dict(size=[WIDTH, HEIGHT]), r'has the size \[96, 64\], the image \[64, 96\]'),
    (RUNS | dict(counts=[0, 50]), 'the counts of the run-length mask are not those of its pixels'),
    (RUNS | dict(counts='zzzz0'), 'the counts of the run-length mask are not those of its pixels'),
    (RUNS | dict(counts='PP'), 'the counts of the run-length mask are not those of its pixels'),
]


@pytest.mark.parametrize('steps', [dict(type='LoadPolygons'), dict(type='LoadAnnotations', with_mask=True)])
@pytest.mark.parametrize('kind', DATASET_KINDS)
@pytest.mark.parametrize('segmentation, message', SEGMENTATIONS)
def test_a_broken_mask_is_refused_up_front_if_the_pipeline_reads_masks(tmp_path, kind, steps, segmentation, message):
    file = write(tmp_path, kind, lambda content: content['annotations'][0].update(segmentation=segmentation))
    with pytest.raises(ValueError, match=rf'case.json: row 0 of annotations \(id 1\): .*{message}'):
        build(kind, file, pipeline=[LOAD[0], steps])
    assert build(kind, file, pipeline=LOAD)[0]['img'].shape == (HEIGHT, WIDTH, 3)  # nobody reads it


@pytest.mark.parametrize('kind', DATASET_KINDS)
def test_an_absent_mask_is_refused_only_where_each_annotation_needs_one(tmp_path, kind):
    file = write(tmp_path, kind, lambda content: content['annotations'][0].pop('segmentation'))
    build(kind, file, pipeline=[LOAD[0], dict(type='LoadPolygons')])
    with pytest.raises(ValueError, match='case.json: row 0 .* segmentation should be a mask, got None'):
        build(kind, file, pipeline=[LOAD[0], dict(type='LoadAnnotations', with_mask=True)])


@pytest.mark.parametrize('segmentation, message', SEGMENTATIONS)
def test_the_metric_of_masks_refuses_them_too(tmp_path, segmentation, message):
    file = write(tmp_path, 'FastCocoMetric',
                 lambda content: content['annotations'][0].update(segmentation=segmentation))
    with pytest.raises(ValueError, match=rf'case.json: row 0 of annotations \(id 1\): .*{message}'):
        build('FastCocoMetric', file, metric='segm')
    assert build('FastCocoMetric', file).dataset_meta == CLASSES
