"""Texts in the place of classes in pipelines: class names, captions, negatives, mixed images, seeds."""
import json

import cv2
import numpy as np
import pytest
from mmdet.registry import DATASETS, TRANSFORMS

from mmdet_ext.datasets.seeded import SeededIndex
from mmdet_ext.datasets.transforms import LoadTexts, PackTextInputs

CAPTION = 'a red circle and two stars'
SPANS = [[[2, 12]], [[17, 26]], [[17, 26], [6, 12]]]


def results(text, count: int = 3, **more) -> dict:
    boxes = np.float32([[0, 0, 4, 4], [1, 1, 5, 5], [2, 2, 6, 6]])[:count]
    boxes = TRANSFORMS.build(dict(type='LoadAnnotations', with_bbox=True)).transform(
        dict(instances=[dict(bbox=box.tolist(), bbox_label=label, ignore_flag=0) for label, box in enumerate(boxes)],
             img_shape=(8, 8)))
    return dict(boxes, text=text, img_path='some.png', img=np.zeros((8, 8, 3), np.uint8), **more)


def pack(given: dict, **options):
    return PackTextInputs(**options)(LoadTexts()(given))['data_samples']


def test_class_names_are_texts_in_their_order():
    sample = pack(results(('cat', 'dog', 'bird', 'cow')))
    assert sample.text == ('cat', 'dog', 'bird', 'cow') and not sample.borrows_texts
    assert sample.gt_instances.text_targets.int().tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]
    assert sample.gt_instances.labels.tolist() == [0, 1, 2]


def test_of_many_class_names_those_of_the_image_stay_and_others_are_drawn():
    names = tuple(f'class {i}' for i in range(50))
    sample = pack(results(names), num_texts=10)
    assert len(set(sample.text)) == 10 and sample.text[:3] == names[:3]
    assert sample.gt_instances.text_targets.int().tolist() == np.eye(3, 10, dtype=int).tolist()
    assert set(pack(results(names), num_texts=10).text) != set(sample.text)
    assert set(pack(results(names), num_texts=2).text) < set(names[:3])


def test_boxes_have_the_phrases_of_their_spans_one_or_several():
    sample = pack(results(CAPTION, gt_tokens_positive=SPANS))
    assert sample.text == ('red circle', 'two stars', 'circle') and sample.borrows_texts
    assert sample.gt_instances.text_targets.int().tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 1]]
    assert pack(results(CAPTION, 0, gt_tokens_positive=[])).text == ()


def test_a_vocabulary_gives_negatives(tmp_path):
    vocabulary = tmp_path / 'names.txt'
    vocabulary.write_text('red circle\ncircle\n\ntwo stars\ndog\ncat\n')
    sample = pack(results(CAPTION, gt_tokens_positive=SPANS), vocabulary=str(vocabulary))
    assert sample.text == ('red circle', 'circle', 'two stars', 'dog', 'cat') and not sample.borrows_texts
    sample = pack(results(CAPTION, gt_tokens_positive=SPANS), vocabulary=['dog', 'cat', 'cow'], num_texts=5)
    assert sample.text[:3] == ('red circle', 'two stars', 'circle') and len(set(sample.text[3:])) == 2


def test_without_loaded_texts_the_caption_stays():
    assert PackTextInputs()(results(CAPTION))['data_samples'].text == CAPTION


@pytest.mark.parametrize('given, message', [
    (results(None), "some.png: LoadTexts needs `text`, a caption or the names of the classes, got None"),
    (results(('cat', )), 'some.png has a box of class 2, and there are 1 class names'),
    (results(CAPTION, gt_tokens_positive=SPANS[:1]), 'some.png: gt_tokens_positive has 1 entries for 3 boxes')])
def test_images_without_texts_are_named(given, message):
    with pytest.raises(ValueError, match=message):
        LoadTexts()(given)


@pytest.mark.parametrize('options, message', [
    (dict(num_texts=0), 'num_texts should be at least 1, got 0'),
    (dict(vocabulary='none.txt'), 'vocabulary=none.txt: there is no such file'),
    (dict(vocabulary=['cat', '']), 'vocabulary should be texts')])
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        PackTextInputs(**options)


@pytest.fixture
def mixed(tmp_path):
    """Four images with names of classes and four with captions, joined, with and without a mosaic."""
    images, rows = [], []
    for number in range(1, 5):
        cv2.imwrite(str(tmp_path / f'{number}.png'), np.full((32, 32, 3), 40 * number, np.uint8))
        images.append(dict(id=number, file_name=f'{number}.png', width=32, height=32, caption=f'a thing{number}'))
        rows.append(dict(id=number, image_id=number, category_id=number, bbox=[4, 4, 20, 20], area=400, iscrowd=0,
                         tokens_positive=[[2, 8]]))
    names = [dict(id=number, name=f'class{number}') for number in range(1, 5)]
    (tmp_path / 'coco.json').write_text(json.dumps(dict(images=images, annotations=rows, categories=names)))
    (tmp_path / 'captions.json').write_text(json.dumps(dict(images=images, annotations=rows, categories=[])))
    load = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True),
            dict(type='YOLOResize', size=32), dict(type='LoadTexts')]
    affine, pack = dict(type='YOLOAffine', size=(32, 32), scale=0.4), dict(type='PackTextInputs')
    shared = dict(data_root=str(tmp_path), data_prefix=dict(img=''), pipeline=load)
    coco = dict(type='YOLOCocoDataset', ann_file='coco.json', return_classes=True,
                metainfo=dict(classes=tuple(name['name'] for name in names)), **shared)
    captions = dict(type='MDETRDataset', ann_file='captions.json', **shared)
    mosaic = dict(type='YOLOMosaic', size=32, deferred=True)
    return DATASETS.build(dict(type='SeededConcatDataset', ignore_keys=['classes', 'palette'], datasets=[
        dict(type='SeededMixDataset', dataset=coco, pipeline=[affine, pack]),
        dict(type='SeededMixDataset', dataset=captions, pipeline=[mosaic, affine, pack])]))


def test_boxes_keep_their_texts_through_mosaics_and_a_seed_gives_the_same_sample(mixed):
    assert len(mixed) == 8
    seen = set()
    for seed in range(6):
        one, two = (mixed[SeededIndex(5, seed)] for _ in range(2))
        assert one['inputs'].equal(two['inputs']) and one['data_samples'].text == two['data_samples'].text
        sample = one['data_samples']
        assert len(sample.gt_instances) == len(sample.gt_instances.text_targets)
        seen |= set(sample.text)
        for box, targets in zip(sample.gt_instances.bboxes.tensor, sample.gt_instances.text_targets):
            x, y = box.view(2, 2).float().mean(0).int().tolist()
            number, = (int(sample.text[i][-1]) for i in targets.nonzero())
            assert one['inputs'][0, y, x] == 40 * number  # the grey of the image that the caption is of
    assert len(seen) > 2
    assert mixed[SeededIndex(1, 0)]['data_samples'].text == tuple(f'class{number}' for number in range(1, 5))


def test_mosaics_are_closed_in_all_parts(mixed):
    mixed.update_skip_type_keys(('YOLOMosaic', ))
    assert mixed[SeededIndex(5, 0)]['data_samples'].text == ('thing2', )
