"""Captions and referring expressions of Shapes, read back by an evaluator that knows nothing of their writer."""
import json
import re
from dataclasses import replace
from zlib import crc32

import pytest

from mmdet_ext.datasets import MDETRDataset
from mmdet_ext.shapes import (COLORS, SHAPE_CLASSES, SIZES, Background, Scene, SceneObject, ShapesConfig, folder,
                              make_shapes, sample_scene, to_coco, to_grounding, to_refexp)

CONFIG = ShapesConfig(train=8, val=4, test=2)
COUNT = 250
NUMBERS = dict(two=2, three=3, four=4, five=5, six=6, seven=7, eight=8)
NOUNS = {f'{name}{end}': name for name in SHAPE_CLASSES for end in ('', 's', 'es')} | dict(shape=None, shapes=None)
# (axis, direction) of each relation and each superlative.
RELATIONS = {'left of': (0, -1), 'right of': (0, 1), 'above': (1, -1), 'below': (1, 1)}
FURTHEST = dict(leftmost=(0, -1), rightmost=(0, 1), topmost=(1, -1), bottommost=(1, 1))


@pytest.fixture(scope='module')
def scenes():
    sizes = ((160, 160), (208, 160), (160, 208))
    return [sample_scene(3, 'train', image_id, sizes, empty=0.05) for image_id in range(1, COUNT + 1)]


@pytest.fixture(scope='module')
def coco(scenes):
    return to_coco(scenes)


@pytest.fixture(scope='module')
def captions(scenes, coco):
    return to_grounding(scenes, coco, 3, 'train')


@pytest.fixture(scope='module')
def expressions(scenes, coco):
    return to_refexp(scenes, coco, 3, 'train')


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp('captions') / 'made'
    make_shapes(out, CONFIG)
    return out


def files_of(out):
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob('*')) if path.is_file()}


# ---- the evaluator: what a text says of an image

def gap(scene, first, second, direction) -> float:
    """How far `first` lies in a direction from `second`, in units of what counts as clearly apart."""
    axis, sign = direction
    return (first.center[axis] - second.center[axis]) * sign / (0.05 * min(scene.width, scene.height))


def evaluate_name(scene, words, among=None):
    """'the two large red circles' -> its objects; what they stand beside may leave a part of them (`among`) only."""
    first, *rest = words.split()
    number = NUMBERS.get(first, 1)
    assert first in ('the', 'a', 'an') or first in NUMBERS
    if rest[0] in NUMBERS:
        number = NUMBERS[rest.pop(0)]
    direction = FURTHEST.get(rest[0])
    if direction:
        rest.pop(0)
    size = rest.pop(0) if rest[0] in SIZES else None
    color = rest.pop(0) if rest[0] in COLORS else None
    (noun, ) = rest
    assert (noun in (*SHAPE_CLASSES, 'shape')) == (number == 1)
    if first in ('a', 'an'):
        assert (first == 'an') == (words.split()[1][0] in 'aeiou')
    objects = [obj for obj in scene.objects
               if size in (None, obj.size) and color in (None, obj.color) and NOUNS[noun] in (None, obj.shape)]
    if direction:
        best = max(objects, key=lambda obj: obj.center[direction[0]] * direction[1])
        assert len(objects) > 1 and all(gap(scene, best, obj, direction) > 1 for obj in objects if obj is not best)
        objects = [best]
    if among:
        objects = [obj for obj in objects if among(obj)]
    assert len(objects) == number
    return objects


def evaluate_reference(scene, text):
    """'the circle left of the star' -> objects of each name in the text, in its order."""
    head, relation, landmark = re.fullmatch(r'(.*?)(?: (left of|right of|above|below) (.*))?', text).groups()
    if not relation:
        return [evaluate_name(scene, head)]
    (beside, ) = evaluate_name(scene, landmark)
    direction = RELATIONS[relation]
    objects = evaluate_name(scene, head, lambda obj: obj is not beside and gap(scene, obj, beside, direction) > 0)
    assert all(gap(scene, obj, beside, direction) > 1 for obj in objects)
    return [objects, [beside]]


def evaluate_sentence(scene, text):
    """A name, or a statement, which has to be true."""
    subject, verb, rest = re.fullmatch(r'(.*?)(?: (is|are) (.*))?', text).groups()
    if verb is None:
        return [evaluate_name(scene, subject)]
    if rest in COLORS:
        names = evaluate_reference(scene, subject)
        assert all(obj.color == rest for obj in names[0]) and verb == 'is'
        return names
    relation, landmark = re.fullmatch(r'(left of|right of|above|below) (.*)', rest).groups()
    first, second = evaluate_name(scene, subject), evaluate_name(scene, landmark)
    assert all(gap(scene, one, other, RELATIONS[relation]) > 1 for one in first for other in second)
    assert (verb == 'is') == (len(first) == 1)
    return [first, second]


def evaluate_caption(scene, text):
    """The objects that each phrase of a caption names, in its order."""
    if text == 'nothing':
        assert not scene.objects
        return []
    return [name for sentence in re.split(r', | and ', text) for name in evaluate_sentence(scene, sentence)]


def boxes(objects):
    return sorted(list(obj.box) for obj in objects)


def rows_of(content):
    return {image['id']: [row for row in content['annotations'] if row['image_id'] == image['id']]
            for image in content['images']}


# ---- captions

def test_every_phrase_of_a_caption_denotes_exactly_its_boxes(scenes, captions):
    by_name = {scene.file_name: scene for scene in scenes}
    rows = rows_of(captions)
    assert len(captions['images']) > 1.9 * COUNT
    for image in captions['images']:
        named = evaluate_caption(by_name[image['file_name']], image['caption'])
        assert len(named) == len(image['tokens_positive_eval'])
        for objects, (span, ) in zip(named, image['tokens_positive_eval'], strict=True):
            assert boxes(objects) == sorted(row['bbox'] for row in rows[image['id']] if span in row['tokens_positive'])
        for row in rows[image['id']]:  # no span besides those of the phrases
            assert row['tokens_positive'] and all([span] in image['tokens_positive_eval']
                                                  for span in row['tokens_positive'])


def test_spans_cut_names_out_of_the_caption(captions, expressions):
    one_name = re.compile(r'(the|a|an|two|three|four|five|six|seven|eight)( \w+)+')
    for image in captions['images']:
        for ((begin, end), ) in image['tokens_positive_eval']:
            words = image['caption'][begin:end]
            assert one_name.fullmatch(words) and not re.search(r' (of|is|are|and|above|below)\b', words)
            assert image['caption'][begin - 1:begin] in ('', ' ') and image['caption'][end:end + 1] in ('', ' ', ',')
    for image in expressions['images']:
        (row, ) = [row for row in expressions['annotations'] if row['image_id'] == image['id']]
        ((begin, end), ) = row['tokens_positive']
        assert begin == 0 and re.fullmatch(r'( (left of|right of|above|below) the .*)?', image['caption'][end:])


def test_lists_name_every_object_once(scenes, captions):
    by_name = {scene.file_name: scene for scene in scenes}
    rows = rows_of(captions)
    for image in captions['images']:
        if image['sentence_id'] == 0:
            image_rows = rows[image['id']]
            assert boxes(by_name[image['file_name']].objects) == sorted(row['bbox'] for row in image_rows)
            assert all(len(row['tokens_positive']) == 1 for row in image_rows)


def test_captions_show_what_a_model_has_to_learn(captions):
    texts = [image['caption'] for image in captions['images']]
    spans = [len(row['tokens_positive']) for row in captions['annotations']]
    shared = [sum(span in row['tokens_positive'] for row in rows) for image, rows in
              zip(captions['images'], rows_of(captions).values()) for (span, ) in image['tokens_positive_eval']]
    assert sum(count > 1 for count in spans) > 100  # one object in several phrases
    assert sum(count > 1 for count in shared) > 150  # several objects in one phrase
    for word in ('left of', 'right of', 'above', 'below', 'leftmost', 'bottommost', 'small', 'large', *COLORS,
                 *SHAPE_CLASSES, 'two', 'three', 'is', 'are'):
        assert sum(word in text for text in texts) > 3, word
    assert max(map(len, texts)) < 250


def test_the_file_is_what_mdetr_publishes(scenes, coco, captions):
    shown = {(row['image_id'], tuple(row['bbox'])): row for row in coco['annotations']}
    for image in captions['images']:
        assert {key: type(value) for key, value in image.items()} == dict(
            id=int, file_name=str, height=int, width=int, caption=str, dataset_name=str, tokens_negative=list,
            sentence_id=int, original_img_id=int, tokens_positive_eval=list)
        assert image['tokens_negative'] == [[0, len(image['caption'])]] and image['dataset_name'] == 'shapes'
    images = {image['id']: image['original_img_id'] for image in captions['images']}
    for row in captions['annotations']:
        assert list(row) == ['id', 'image_id', 'category_id', 'bbox', 'area', 'segmentation', 'iscrowd',
                             'tokens_positive']
        obj = shown[images[row['image_id']], tuple(row['bbox'])]
        assert (row['area'], row['segmentation']) == (obj['area'], obj['segmentation'])
    for table in ('images', 'annotations'):
        assert [entry['id'] for entry in captions[table]] == list(range(1, len(captions[table]) + 1))


def test_an_image_without_objects_has_a_caption_without_boxes(scenes, captions):
    empty = [scene.image_id for scene in scenes if not scene.objects]
    nothing = [image for image in captions['images'] if image['caption'] == 'nothing']
    assert empty and [image['original_img_id'] for image in nothing] == empty
    assert all(image['tokens_positive_eval'] == [] for image in nothing)


# ---- referring expressions

def test_every_expression_denotes_exactly_its_target(scenes, coco, expressions):
    by_name = {scene.file_name: scene for scene in scenes}
    rows = rows_of(expressions)
    targets = {row['id']: row for row in coco['annotations']}
    assert len(expressions['images']) == len(expressions['annotations']) > 2 * COUNT
    for image in expressions['images']:
        (row, ) = rows[image['id']]
        (target, ) = evaluate_reference(by_name[image['file_name']], image['caption'])[0]
        assert list(target.box) == row['bbox'] == targets[image['original_id']]['bbox']
        assert image['dataset_name'] == 'shapes_refexp'


def test_expressions_tell_by_looks_and_by_place(expressions):
    texts = [image['caption'] for image in expressions['images']]
    beside = [text for text in texts if re.search('left of|right of|above|below', text)]
    furthest = [text for text in texts if re.search('most', text)]
    assert min(len(beside), len(furthest), len(texts) - len(beside) - len(furthest)) > COUNT / 5
    for word in (*COLORS, *SHAPE_CLASSES, *SIZES, *FURTHEST, *RELATIONS):
        assert any(word in text for text in texts), word


def bare_row(id_: int) -> dict:
    """An annotation of which nothing but the ids matters."""
    return dict(id=id_, image_id=1, object_id=id_, bbox=[0, 0, 1, 1], area=1, segmentation=[[0, 0, 1, 0, 1, 1, 0, 1]])


def test_twins_that_nothing_tells_apart_have_no_expression():
    twins = [SceneObject(i, 'star', 'red', 'small', (40 + 2 * i, 40 + 2 * i), 20, 0, (30, 30, 20, 20)) for i in (0, 1)]
    scene = Scene(1, '000001.png', 160, 160, Background('clouds', (120, 120, 120), 0), tuple(twins))
    coco = dict(annotations=[bare_row(i) for i in (0, 1)])
    assert to_refexp([scene], coco, 0, 'train')['images'] == []
    apart = replace(scene, objects=(twins[0], replace(twins[1], center=(100, 40))))
    texts = {image['caption'] for image in to_refexp([apart], coco, 0, 'train')['images']}
    assert len(texts) == 2 and all(re.search('leftmost|rightmost', text) for text in texts)


def test_a_rival_that_is_left_by_one_pixel_rules_the_expression_out():
    def place(id_, x, shape):
        return SceneObject(id_, shape, 'red', 'small', (x, 40 + 3 * id_), 20, 0, (x - 10, 30, 20, 20))

    def texts(rival_x):
        objects = (place(0, 80, 'star'), place(1, 40, 'circle'), place(2, rival_x, 'circle'))
        scene = Scene(1, '000001.png', 160, 160, Background('clouds', (120, 120, 120), 0), objects)
        coco = dict(annotations=[bare_row(i) for i in range(3)])
        return {image['caption'] for seed in range(100) for image in to_refexp([scene], coco, seed, 'train')['images']}

    assert 'the circle left of the star' in texts(80) and 'the circle left of the star' not in texts(79)


# ---- determinism and the folder

def test_an_images_texts_depend_on_seed_split_and_number_alone(scenes, coco, captions, expressions):
    fewer = scenes[:20]
    ids = {scene.image_id for scene in fewer}
    part = dict(annotations=[row for row in coco['annotations'] if row['image_id'] in ids])
    again = to_grounding(fewer, part, 3, 'train')
    assert again['images'] == captions['images'][:len(again['images'])]
    assert again['annotations'] == captions['annotations'][:len(again['annotations'])]
    assert to_refexp(fewer, part, 3, 'train')['images'] == expressions['images'][:len(
        to_refexp(fewer, part, 3, 'train')['images'])]
    assert to_grounding(fewer, part, 4, 'train') != again != to_grounding(fewer, part, 3, 'val')


def test_texts_are_these_on_every_machine(captions, expressions):
    # If this is meant to change, `folder.VERSION` has to go up.
    texts = [image['caption'] for content in (captions, expressions) for image in content['images']]
    assert crc32('\n'.join(texts).encode()) == 0x4227d9d6


def test_the_files_of_earlier_sets_keep_their_bytes(made):
    splits = ('train', 'val', 'test')
    checksums = {kind: crc32(b''.join((made / 'annotations' / f'{kind}_{split}.json').read_bytes() for split in splits))
                 for kind in ('instances', 'scenes')}
    assert checksums == dict(instances=0x4a96b3e0, scenes=0xdc97a297)
    assert crc32((made / 'shapes.json').read_bytes()) == 0xe0c90401


def test_a_set_made_before_gets_the_texts_that_a_new_one_has(made, tmp_path):
    make_shapes(tmp_path / 'set', CONFIG)
    for pattern in ('annotations/grounding_*', 'annotations/refexp_*'):
        for path in (tmp_path / 'set').glob(pattern):
            path.unlink()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / 'set').rglob('*.*')}
    report = make_shapes(tmp_path / 'set', CONFIG)
    assert report.kept and len(report.added) == 6 and files_of(tmp_path / 'set') == files_of(made)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert make_shapes(tmp_path / 'set', CONFIG).added == ()


def test_texts_written_before_they_had_polygons_are_written_anew(made, tmp_path):
    make_shapes(tmp_path / 'set', CONFIG)
    old = tmp_path / 'set/annotations/refexp_train.json'
    content = json.loads(old.read_text())
    for row in content['annotations']:
        del row['segmentation']
    old.write_text(json.dumps(content, separators=(',', ':')) + '\n')
    assert make_shapes(tmp_path / 'set', CONFIG).added == ('annotations/refexp_train.json', )
    assert files_of(tmp_path / 'set') == files_of(made)
    assert make_shapes(tmp_path / 'set', CONFIG).added == ()


def test_an_interruption_while_texts_are_added_leaves_the_set_usable(made, tmp_path, monkeypatch):
    make_shapes(tmp_path / 'set', CONFIG)
    for name in ('annotations/grounding_val.json', 'annotations/refexp_test.json'):
        (tmp_path / 'set' / name).unlink()

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(folder, 'to_refexp', stop)
        with pytest.raises(KeyboardInterrupt):
            make_shapes(tmp_path / 'set', CONFIG)
    assert not list((tmp_path / 'set').rglob('.*'))
    assert 'annotations/refexp_test.json' in make_shapes(tmp_path / 'set', CONFIG).added
    assert files_of(tmp_path / 'set') == files_of(made)


@pytest.mark.parametrize('kind', ['grounding', 'refexp'])
def test_the_data_set_reads_them(made, kind):
    pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True),
                dict(type='PackGroundingInputs')]
    dataset = MDETRDataset(data_root=str(made), ann_file=f'annotations/{kind}_train.json',
                           data_prefix=dict(img='train'), pipeline=pipeline)
    for packed in dataset:
        sample = packed['data_samples']
        assert len(sample.gt_instances.tokens_positive) == len(sample.gt_instances.bboxes) > 0
        assert tuple(packed['inputs'].shape[1:]) == sample.ori_shape
