"""Files of Shapes without some pairs of colour and shape: no text of the training says them, no image shows them."""
import json

import pytest

from mmdet_ext.shapes import ShapesConfig, load_scenes, make_shapes
from mmdet_ext.shapes.pairs import LEFT_OUT, leave_out


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return make_shapes(tmp_path_factory.mktemp('shapes') / 'set',
                       ShapesConfig(train=24, val=0, test=0, sizes=((64, 64), ))).out


@pytest.fixture(scope='module')
def files(data, tmp_path_factory):
    out = tmp_path_factory.mktemp('pairs')
    report = leave_out(data, out, evaluated=4)
    return report, {path.stem: json.loads(path.read_text()) for path in out.glob('*.json')}, out


def test_no_training_says_or_shows_a_pair_that_is_left_out(files, data):
    report, content, out = files
    pairs = {' '.join(pair) for pair in LEFT_OUT}
    shown = {scene.file_name for scene in load_scenes(data / 'annotations/scenes_train.json')
             if pairs & {f'{obj.color} {obj.shape}' for obj in scene.objects}}
    texts = (out / 'names.txt').read_text().split('\n')
    for name in ('grounding_names', 'grounding_captions', 'shuffled_names', 'shuffled_captions'):
        assert content[name]['images'] and not shown & {image['file_name'] for image in content[name]['images']}
        texts += [image['caption'] for image in content[name]['images']]
    assert not any(pair in text for pair in pairs for text in texts)
    evaluated = {image['file_name'] for image in content['instances_left_out']['images']}
    assert len(evaluated) == 4 and evaluated <= shown
    assert report.names == len(content['grounding_names']['images']) and report.evaluated == 4


def test_names_are_those_of_the_objects(files, data):
    _, content, _ = files
    scenes = {scene.file_name: scene for scene in load_scenes(data / 'annotations/scenes_train.json')}
    images = {image['id']: image for image in content['grounding_names']['images']}
    for row in content['grounding_names']['annotations']:
        image = images[row['image_id']]
        names = {image['caption'][begin:end] for begin, end in row['tokens_positive']}
        fitting = [obj for obj in scenes[image['file_name']].objects if list(obj.box) == row['bbox']]
        assert {obj.color for obj in fitting} <= names and {obj.shape for obj in fitting} <= names
        assert {f'{obj.color} {obj.shape}' for obj in fitting} <= names


def test_shuffled_names_are_as_many_of_each_on_the_same_boxes(files):
    _, content, _ = files
    right, shuffled = content['grounding_names'], content['shuffled_names']
    assert [row['bbox'] for row in right['annotations']] == [row['bbox'] for row in shuffled['annotations']]
    assert [image['caption'] for image in right['images']] != [image['caption'] for image in shuffled['images']]


def test_every_object_of_the_evaluated_images_is_in_one_of_the_files(files, data):
    _, content, _ = files
    left_out, shown = content['instances_left_out'], content['instances_shown']
    scenes = {scene.image_id: scene for scene in load_scenes(data / 'annotations/scenes_train.json')}
    ids = {image['id'] for image in left_out['images']}
    assert ids == {image['id'] for image in shown['images']}
    assert len(left_out['annotations']) + len(shown['annotations']) == sum(len(scenes[i].objects) for i in ids)
    for file in (left_out, shown):
        names = {category['id']: category['name'] for category in file['categories']}
        for row in file['annotations']:
            obj = scenes[row['image_id']].objects[row['object_id']]
            assert names[row['category_id']] == f'{obj.color} {obj.shape}'
    assert len(left_out['categories']) == 6 and len(shown['categories']) == 42


def test_wrong_pairs_and_too_few_images_are_named(data, tmp_path):
    with pytest.raises(ValueError, match='pairs: red cow is no pair of Shapes, which has the colours red, '):
        leave_out(data, tmp_path, [('red', 'cow')])
    with pytest.raises(ValueError, match='400 and at least 2 are needed: make more images'):
        leave_out(data, tmp_path)
