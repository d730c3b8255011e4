"""Prompts from files like COCO's and LVIS's, and the choice of images."""
import json
from collections import Counter

import pytest

from mmdet_ext.annotations.builders.grounding_file import write_grounding
from mmdet_ext.annotations.builders.lvis import (ImageClasses, Prompts, balanced_subset, make_prompts, prompt_pairs,
                                                 read_coco)
from mmdet_ext.datasets import MDETRDataset

NAMES = ('cat', 'dog', 'traffic_light', 'bow_(weapon)', 'bow_(decorative_ribbons)')


def coco(**edits) -> dict:
    """Two cats and a dog; a dog of which nothing is seen and a crowd of cats; nothing."""
    images = [dict(id=i, file_name=f'{i}.jpg', width=100, height=80) for i in (7, 8, 9)]
    boxes = [(7, 1, [1, 2, 30, 40]), (7, 2, [5, 5, 9, 9]), (7, 1, [50, 2, 30, 40]), (8, 2, [100, 5, 9, 9])]
    rows = [dict(id=i, image_id=image, category_id=class_, bbox=box) for i, (image, class_, box) in enumerate(boxes)]
    rows.append(dict(id=9, image_id=8, category_id=1, bbox=[1, 1, 5, 5], iscrowd=1))
    return dict(images=images, annotations=rows,
                categories=[dict(id=i, name=name) for i, name in enumerate(NAMES, 1)]) | edits


@pytest.fixture
def build(tmp_path):

    def run(content: dict, **options) -> tuple[Prompts, list[tuple]]:
        """What is asked, and of each prompt the image, the caption and the number of boxes."""
        prompts = make_prompts(content, 'ann.json', **options)
        write_grounding(tmp_path / 'out.json', prompt_pairs(prompts.images, prompts.captions), prompts.counts)
        content = json.loads((tmp_path / 'out.json').read_text())
        counts = Counter(row['image_id'] for row in content['annotations'])
        return prompts, [(row['original_id'], row['caption'], counts[row['id']]) for row in content['images']]

    return run


def test_without_negatives_there_is_a_prompt_for_each_class_of_an_image(build):
    made, prompts = build(coco())
    assert prompts == [(7, 'cat', 2), (7, 'dog', 1)] and made.shared() == ['bow ']
    assert made.counts == Counter({'images': 3, 'captions': 2, 'boxes': 3, 'left out: crowds': 1,
                                   'left out: bad boxes': 1})
    assert [box.annotation for box in made.bad] == [3]


def test_classes_are_drawn_among_those_that_an_image_is_not_annotated_with(build):
    made, prompts = build(coco(), negatives=10)
    absent = {id_: sorted(name for image, name, count in prompts if image == id_ and not count) for id_ in (7, 8, 9)}
    bows = ['bow ', 'bow ', 'traffic light']
    assert absent == {7: bows, 8: bows, 9: sorted(['cat', 'dog', *bows])}
    assert made.counts['captions without boxes'] == 11 and made.counts['captions'] == 13


def test_drawn_classes_depend_on_image_and_seed_alone(build):
    _, first = build(coco(), negatives=2)
    _, again = build(coco(images=coco()['images'][::-1]), negatives=2)
    assert sorted(first) == sorted(again)
    assert Counter(image for image, _, count in first if not count) == {7: 2, 8: 2, 9: 2}
    assert any(sorted(build(coco(), negatives=2, seed=seed)[1]) != sorted(first) for seed in range(5))


def test_lvis_tells_what_is_absent_and_where_images_lie(build, tmp_path):
    content = coco()
    for image in content['images']:
        del image['file_name']
        image.update(coco_url=f'http://x.org/val2017/{image["id"]}.jpg', neg_category_ids=[1, 3])
    _, prompts = build(content)
    assert prompts == [(7, 'cat', 2), (7, 'dog', 1), (7, 'traffic light', 0), (8, 'traffic light', 0), (9, 'cat', 0),
                       (9, 'traffic light', 0)]
    file = json.loads((tmp_path / 'out.json').read_text())
    assert file['images'][0]['file_name'] == 'val2017/7.jpg' and file['images'][0]['coco_url'].endswith('val2017/7.jpg')


def test_our_data_set_reads_the_prompts(build, tmp_path):
    build(coco(), negatives=1)
    dataset = MDETRDataset(ann_file=str(tmp_path / 'out.json'), data_prefix=dict(img='images'), serialize_data=False)
    assert len(dataset) == 5
    item = dataset.get_data_info(0)
    assert item['text'] == 'cat' and item['gt_tokens_positive'] == [[[0, 3]], [[0, 3]]]
    assert item['img_path'] == 'images/7.jpg' and item['instances'][0]['bbox'] == [1, 2, 31, 42]


@pytest.mark.parametrize('edits, options, message', [
    (dict(categories=[]), {}, "'categories' is missing or empty"),
    (dict(categories=[dict(id=1, name='(x)'), dict(id=2, name='y')]), {}, r"category 1: nothing is left .* '\(x\)'"),
    (dict(annotations=[]), {}, 'no box'),
    (dict(annotations=[dict(id=5, image_id=1, category_id=1, bbox=[0, 0, 1, 1])]), {},
     r'row 0 of annotations \(id 5\): image_id should be .* got 1'),
    ({}, dict(negatives=-1), 'negatives should be 0 or more, got -1'),
    ({}, dict(fraction=0), 'fraction should be above 0'),
    (dict(images=[dict(coco()['images'][0], neg_category_ids=[77])]), {}, r'image 7 has \[77\] in neg_category_ids'),
    (dict(images=[dict(coco()['images'][0], neg_category_ids=[3])], annotations=coco()['annotations'][:3]),
     dict(negatives=2), 'negatives=2: ann.json has its own'),
])
def test_what_is_wrong_is_named(build, edits, options, message):
    with pytest.raises(ValueError, match=message):
        build(coco(annotations=edits.pop('annotations', coco()['annotations'][:3 if 'images' in edits else None]),
                   **edits), **options)


def test_masks_are_not_read(tmp_path):
    content = coco(annotations=[dict(row, segmentation=[[1, 2, 3]]) for row in coco()['annotations']])
    (tmp_path / 'ann.json').write_text(json.dumps(content))
    assert read_coco(tmp_path / 'ann.json') == coco()


def images(**classes: list[int]) -> dict[int, ImageClasses]:
    """Images 1, 2, ... of which each shows and lacks what the lists say."""
    return {i: ImageClasses(frozenset(present), frozenset(), frozenset(absent))
            for i, (present, absent) in enumerate(zip(classes['present'], classes['absent'], strict=True), 1)}


def test_rare_classes_come_first():
    shown = images(present=[[1]] * 20 + [[2]] * 2 + [[3]], absent=[[]] * 23)
    assert len({21, 22, 23}.intersection(balanced_subset(shown, [1, 2, 3], 3 / 23))) >= 2
    assert set(balanced_subset(shown, [1, 2, 3], 0.5)) > {21, 22, 23}


def test_the_first_choice_is_for_a_class_that_is_absent():
    shown = images(present=[[1]] * 9 + [[2]], absent=[[]] * 4 + [[2]] + [[]] * 5)
    assert balanced_subset(shown, [1, 2], 0.1) == [5]


def test_a_fraction_is_a_number_of_images_or_all_that_have_a_class():
    shown = images(present=[[1]] * 4 + [[]] * 6, absent=[[]] * 10)
    assert len(balanced_subset(shown, [1], 0.39)) == 3
    assert balanced_subset(shown, [1], 0.9) == [1, 2, 3, 4]
    assert balanced_subset(shown, [1], 1) == list(range(1, 11))
