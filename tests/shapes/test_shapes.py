import json
import re
import runpy
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import cv2
import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from mmdet.datasets import CocoDataset
from mmdet.datasets.transforms import LoadAnnotations
from pycocotools import mask as coco_mask

from mmdet_ext.shapes import (COLORS, MIN_VISIBLE, SHAPE_CLASSES, SIZES, Background, Scene, SceneObject, ShapesConfig,
                              folder, load_scenes, make_shapes, render_scene, sample_scene, to_coco, visible_masks)
from mmdet_ext.shapes.outline import outlines, signed_area
from mmdet_ext.shapes.raster import shape_distance, shape_mask

TOOL = Path(__file__).parents[2] / 'tools' / 'data' / 'make_shapes.py'
COUNTS = dict(train=8, val=4, test=2)
CONFIG = ShapesConfig(**COUNTS)
IMAGE_SIZES = ((160, 160), (208, 160), (96, 128))


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp('shapes') / 'made'
    make_shapes(out, CONFIG)
    return out


@pytest.fixture(scope='module')
def scenes():
    return [sample_scene(7, 'train', image_id, IMAGE_SIZES) for image_id in range(1, 61)]


def files_of(out):
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob('*')) if path.is_file()}


def make_object(id_, center, **changes):
    return SceneObject(**{**dict(id=id_, shape='square', color='red', size='small', center=center, extent=20,
                                 rotation=0, box=(center[0] - 10, center[1] - 10, 20, 20)), **changes})


def make_scene(*objects):
    return Scene(1, '000001.png', 160, 120, Background('clouds', (120, 120, 120), 0), objects)


# ---- the same seed, the same bytes

def test_the_same_seed_gives_the_same_bytes_in_every_file(made, tmp_path):
    make_shapes(tmp_path / 'again', CONFIG)
    files = files_of(made)
    assert len(files) == 8 + 4 + 2 + 15 + 2
    assert files_of(tmp_path / 'again') == files


def test_another_seed_gives_other_images(made, tmp_path):
    make_shapes(tmp_path / 'other', replace(CONFIG, seed=1))
    others = files_of(tmp_path / 'other')
    assert [name for name, data in files_of(made).items() if data == others[name] and name.endswith('.png')] == []


def test_more_images_in_one_split_change_no_other_image(made, tmp_path):
    make_shapes(tmp_path / 'more', replace(CONFIG, train=10))
    files, more = files_of(made), files_of(tmp_path / 'more')
    kept = [name for name in files if not name.endswith('_train.json') and name not in ('overview.png', 'shapes.json')]
    assert {name: more[name] for name in kept} == {name: files[name] for name in kept}
    coco, larger = (json.loads(f['annotations/instances_train.json']) for f in (files, more))
    assert larger['annotations'][:len(coco['annotations'])] == coco['annotations']


def test_pixels_are_these_on_every_machine():
    # Integers and correctly rounded operations only. If this is meant to change, `folder.VERSION` has to go up.
    images = [render_scene(sample_scene(0, 'train', image_id, IMAGE_SIZES)) for image_id in range(1, 9)]
    assert crc32(b''.join(image.tobytes() for image in images)) == 0x5b311c9f


def test_splits_differ():
    assert sample_scene(0, 'train', 1, IMAGE_SIZES).objects != sample_scene(0, 'val', 1, IMAGE_SIZES).objects


# ---- what is in the images

def test_every_class_color_and_size_appears(scenes):
    objects = [obj for scene in scenes for obj in scene.objects]
    assert {obj.shape for obj in objects} == set(SHAPE_CLASSES)
    assert {obj.color for obj in objects} == set(COLORS)
    assert {obj.size for obj in objects} == set(SIZES)
    assert {(scene.width, scene.height) for scene in scenes} == set(IMAGE_SIZES)
    assert {len(scene.objects) for scene in scenes} == set(range(1, 9))


def test_objects_overlap_but_at_least_half_of_each_is_seen(scenes):
    fractions = []
    for scene in scenes:
        for obj, visible in zip(scene.objects, visible_masks(scene), strict=True):
            full = shape_mask(obj.shape, obj.extent, obj.rotation, obj.center, scene.width, scene.height)
            assert not (visible & ~full).any()
            assert full.sum() == (shape_distance(obj.shape, obj.extent, obj.rotation) <= 0).sum()  # not cut off
            fractions.append(visible.sum() / full.sum())
            assert all(signed_area(part) >= 0.05 * full.sum() for part in outlines(visible)[0])
    assert min(fractions) >= MIN_VISIBLE
    assert sum(fraction < 0.95 for fraction in fractions) > 20


def test_large_is_larger_than_small_and_grows_with_the_shorter_side():
    scene = [sample_scene(0, 'train', image_id, ((320, 400),)) for image_id in range(1, 21)]
    extents = {size: [o.extent for s in scene for o in s.objects if o.size == size] for size in SIZES}
    assert 40 <= min(extents['small']) <= max(extents['small']) <= 56
    assert 80 <= min(extents['large']) <= max(extents['large']) <= 112


def test_empty_images_on_request_leave_the_others_as_they_are():
    full = [sample_scene(0, 'train', image_id, IMAGE_SIZES) for image_id in range(1, 41)]
    some = [sample_scene(0, 'train', image_id, IMAGE_SIZES, empty=0.5) for image_id in range(1, 41)]
    assert 10 <= sum(not scene.objects for scene in some) <= 30
    assert all(after == before for before, after in zip(full, some, strict=True) if after.objects)
    assert render_scene(next(scene for scene in some if not scene.objects)).std() > 0


def test_a_mask_is_where_the_image_shows_the_object(scenes):
    for scene in scenes[:20]:
        alone, ground = replace(scene, objects=scene.objects[:1]), replace(scene, objects=())
        change = np.abs(render_scene(alone).astype(int) - render_scene(ground)).max(axis=-1)
        mask = visible_masks(alone)[0]
        # Soft edges reach no further, save at thin tips: two pixels.
        near = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        assert not change[~near].any()
        assert (change[mask] > 10).mean() > 0.95


def test_the_last_object_of_the_list_lies_on_top(scenes):
    for scene in scenes[:20]:
        alone = replace(scene, objects=(replace(scene.objects[-1], id=0), ))
        mask = visible_masks(alone)[0].astype(np.uint8)
        inner = cv2.erode(mask, np.ones((3, 3), np.uint8)) > 0
        assert inner.any()
        np.testing.assert_allclose(render_scene(scene)[inner], render_scene(alone)[inner], atol=1)


# ---- boxes, masks, polygons

def test_boxes_are_inside_the_image_and_equal_to_the_extent_of_the_mask(scenes):
    for scene in scenes:
        for obj, mask in zip(scene.objects, visible_masks(scene), strict=True):
            (x, y, width, height), (rows, columns) = obj.box, np.nonzero(mask)
            assert (x, y) == (columns.min(), rows.min())
            assert (x + width, y + height) == (columns.max() + 1, rows.max() + 1)
            assert x >= 0 and y >= 0 and x + width <= scene.width and y + height <= scene.height


def test_polygons_give_the_visible_masks_back_exactly(scenes):
    coco = to_coco(scenes)
    masks = [mask for scene in scenes for mask in visible_masks(scene)]
    assert any(len(ann['segmentation']) > 1 for ann in coco['annotations'])
    for ann, mask in zip(coco['annotations'], masks, strict=True):
        rle = coco_mask.merge(coco_mask.frPyObjects(ann['segmentation'], *mask.shape))
        np.testing.assert_array_equal(coco_mask.decode(rle), mask)
        assert ann['area'] == mask.sum()
        np.testing.assert_array_equal(coco_mask.toBbox(rle), ann['bbox'])


def test_annotations_say_what_the_scenes_say(scenes):
    coco = to_coco(scenes)
    names = {category['id']: category['name'] for category in coco['categories']}
    said = [(ann['image_id'], ann['object_id'], names[ann['category_id']], ann['iscrowd'])
            for ann in coco['annotations']]
    assert said == [(scene.image_id, obj.id, obj.shape, 0) for scene in scenes for obj in scene.objects]
    assert [ann['id'] for ann in coco['annotations']] == list(range(1, len(said) + 1))


def test_an_object_with_a_hole_is_refused():
    scene = make_scene(make_object(0, (60, 60), extent=50), make_object(1, (60, 60), extent=10))
    with pytest.raises(ValueError, match='Object 0 of 000001.png'):
        to_coco([scene])


def test_outlines_by_hand():
    assert outlines(np.ones((2, 3), bool)) == ([[(0, 0), (3, 0), (3, 2), (0, 2)]], [])
    assert outlines(np.zeros((2, 3), bool)) == ([], [])
    diagonal, holes = outlines(np.eye(2, dtype=bool))
    assert diagonal == [[(0, 0), (1, 0), (1, 1), (2, 1), (2, 2), (1, 2), (1, 1), (0, 1)]] and holes == []
    ring = np.ones((3, 3), bool)
    ring[1, 1] = False
    parts, holes = outlines(ring)
    assert [signed_area(part) for part in parts] == [9] and [signed_area(hole) for hole in holes] == [-1]


@pytest.mark.parametrize('shape', ['circle', 'square'])
def test_distances_by_hand(shape):
    distance = shape_distance(shape, 20, 0)
    middle = distance.shape[0] // 2
    along = distance[middle, middle:]  # pixel centres half a pixel below the middle
    expected = np.arange(len(along)) - 9.5 if shape == 'square' else np.hypot(np.arange(len(along)) + 0.5, 0.5) - 10
    np.testing.assert_allclose(along[5:12], expected[5:12], atol=1e-9)


@pytest.mark.parametrize('shape', SHAPE_CLASSES)
def test_every_shape_is_one_piece_of_the_right_size_even_in_the_smallest_image(shape):
    for extent in (8, 11, 20, 56):
        for rotation in range(-20, 21, 4):
            mask = shape_distance(shape, extent, rotation) <= 0
            parts, holes = outlines(mask)
            assert len(parts) == 1 and not holes
            assert not mask[0].any() and not mask[-1].any() and not mask[:, 0].any() and not mask[:, -1].any()
        sides = [np.ptp(axis) + 1 for axis in np.nonzero(shape_distance(shape, extent, 0) <= 0)]
        assert extent - 3 <= max(sides) <= extent + 1  # thin tips reach no pixel's centre


# ---- the scene description

def test_a_scene_survives_json_and_draws_the_same_image(made):
    for split, count in COUNTS.items():
        loaded = load_scenes(made / 'annotations' / f'scenes_{split}.json')
        assert loaded == [sample_scene(0, split, image_id, CONFIG.sizes) for image_id in range(1, count + 1)]
        for scene in loaded:
            np.testing.assert_array_equal(cv2.imread(str(made / split / scene.file_name)), render_scene(scene))


def test_relations_by_hand():
    # 1 is right of 0 and level with it; 2 is below both, and between them along x. The margin is 5 % of 120.
    scene = make_scene(make_object(0, (20, 30)), make_object(1, (80, 36)), make_object(2, (50, 37)))
    assert scene.relations() == [(0, 'left', 1), (0, 'left', 2), (0, 'above', 2), (1, 'right', 0), (1, 'right', 2),
                                 (2, 'right', 0), (2, 'below', 0), (2, 'left', 1)]


@pytest.mark.parametrize('name, value', [('shape', 'blob'), ('color', 'mauve'), ('size', 'huge')])
def test_unknown_looks_are_refused(name, value):
    with pytest.raises(ValueError, match=f'{name} .*{value}'):
        make_object(0, (20, 30), **{name: value})


def test_ids_out_of_order_are_refused():
    with pytest.raises(ValueError, match=r'\[1, 0\]'):
        make_scene(make_object(1, (20, 30)), make_object(0, (80, 36)))


def test_a_broken_scenes_file_is_named(tmp_path):
    path = tmp_path / 'scenes_train.json'
    path.write_text('{"scenes": [{"image_id": 1}]}')
    with pytest.raises(ValueError, match='scenes_train.json'):
        load_scenes(path)


# ---- mmdet reads it

def test_mmdet_reads_boxes_labels_and_masks(made):
    dataset = CocoDataset(
        ann_file=str(made / 'annotations' / 'instances_train.json'),
        data_prefix=dict(img=str(made / 'train')),
        metainfo=dict(classes=SHAPE_CLASSES),
        pipeline=[dict(type=LoadImageFromFile), dict(type=LoadAnnotations, with_bbox=True, with_mask=True)])
    scenes = load_scenes(made / 'annotations' / 'scenes_train.json')
    assert len(dataset) == 8
    for index, scene in enumerate(scenes):
        results = dataset[index]
        np.testing.assert_array_equal(results['img'], render_scene(scene))
        boxes = np.array([obj.box for obj in scene.objects])
        boxes[:, 2:] += boxes[:, :2]
        np.testing.assert_array_equal(results['gt_bboxes'].numpy(), boxes)
        assert [SHAPE_CLASSES[label] for label in results['gt_bboxes_labels']] == [obj.shape for obj in scene.objects]
        np.testing.assert_array_equal(results['gt_masks'].to_ndarray(), visible_masks(scene))
        assert not results['gt_ignore_flags'].any()


# ---- the folder

def test_a_set_that_is_there_is_kept(made):
    before = (made / 'shapes.json').stat().st_mtime_ns
    report = make_shapes(made, CONFIG)
    coco = json.loads((made / 'annotations' / 'instances_val.json').read_text())
    assert report.kept and report.images == COUNTS and report.objects['val'] == len(coco['annotations'])
    assert (made / 'shapes.json').stat().st_mtime_ns == before


def test_other_parameters_need_force(tmp_path):
    small = ShapesConfig(train=2, val=1, test=0, sizes=((64, 64),))
    assert not make_shapes(tmp_path / 'set', small).kept
    with pytest.raises(FileExistsError, match='val=1, not 2.*--force'):
        make_shapes(tmp_path / 'set', replace(small, val=2))
    assert make_shapes(tmp_path / 'set', replace(small, val=2), force=True).images['val'] == 2
    assert [path.name for path in tmp_path.iterdir()] == ['set']


def test_a_set_that_lost_an_image_is_noticed(tmp_path):
    small = ShapesConfig(train=2, val=1, test=0, sizes=((64, 64),))
    make_shapes(tmp_path / 'set', small)
    (tmp_path / 'set' / 'train' / '000002.png').unlink()
    with pytest.raises(FileExistsError, match='lacks train/000002.png'):
        make_shapes(tmp_path / 'set', small)


@pytest.mark.parametrize('content', [None, '{"format": "other"}', 'no json'])
def test_what_is_no_shapes_set_is_never_replaced(tmp_path, content):
    (tmp_path / 'photo.png').write_bytes(b'dear')
    if content is not None:
        (tmp_path / 'shapes.json').write_text(content)
    with pytest.raises(FileExistsError, match='no Shapes set'):
        make_shapes(tmp_path, CONFIG, force=True)
    assert (tmp_path / 'photo.png').read_bytes() == b'dear'


@pytest.mark.parametrize('there_before', [False, True])
def test_an_interruption_leaves_what_was_there_before(tmp_path, monkeypatch, there_before):
    out = tmp_path / 'parent' / 'set'
    if there_before:
        make_shapes(out, ShapesConfig(train=1, val=0, test=0))
    before = files_of(tmp_path)

    def stop(scene):
        if scene.image_id == 3:
            raise KeyboardInterrupt
        return render_scene(scene)

    monkeypatch.setattr(folder, 'render_scene', stop)
    with pytest.raises(KeyboardInterrupt):
        make_shapes(out, CONFIG, force=True)
    assert files_of(tmp_path) == before
    assert [path.name for path in (tmp_path / 'parent').iterdir()] == (['set'] if there_before else [])


@pytest.mark.parametrize('changes, message', [
    (dict(train=0), 'train .*0'),
    (dict(val=-1), 'val .*-1'),
    (dict(test=-3), 'test .*-3'),
    (dict(sizes=((160, 63),)), '160x63'),
    (dict(sizes=()), 'sizes'),
    (dict(empty=1.0), 'empty .*1.0'),
    (dict(empty=-0.1), 'empty .*-0.1'),
])
def test_bad_parameters_are_named_with_their_value(changes, message):
    with pytest.raises(ValueError, match=message):
        ShapesConfig(**changes)


# ---- the command

def run_tool(*argv):
    runpy.run_path(str(TOOL))['main']([str(arg) for arg in argv])


def test_the_command_makes_what_the_package_makes_and_says_where(made, tmp_path, capsys):
    out = tmp_path / 'set'
    run_tool('--out', out, '--train', 8, '--val', 4, '--test', 2)
    assert files_of(out) == files_of(made)
    assert f'{out}: Shapes made, 14 images with' in capsys.readouterr().out
    run_tool('--out', out, '--train', 8, '--val', 4, '--test', 2)
    assert 'is there already' in capsys.readouterr().out


def test_the_command_takes_one_size_or_several(tmp_path):
    run_tool('--out', tmp_path / 'set', '--train', 12, '--val', 0, '--test', 0, '--size', '64', '96x72')
    shapes = {cv2.imread(str(path)).shape for path in (tmp_path / 'set' / 'train').iterdir()}
    assert shapes == {(64, 64, 3), (72, 96, 3)}


@pytest.mark.parametrize('argv, message', [
    (['--train', '0'], 'train should be at least 1. Got 0'),
    (['--size', '20'], 'Got 20x20'),
    (['--size', '160*160'], "--size: .*'160\\*160'"),
    (['--seed', 'one'], "--seed: .*'one'"),
])
def test_the_command_refuses_bad_arguments_without_a_traceback(tmp_path, capsys, argv, message):
    with pytest.raises(SystemExit) as stop:
        run_tool('--out', tmp_path / 'set', *argv)
    assert stop.value.code == 2
    assert re.search(message, capsys.readouterr().err)


def test_the_command_refuses_a_foreign_folder_without_a_traceback(tmp_path, monkeypatch, capsys):
    (tmp_path / 'photo.png').write_bytes(b'dear')
    monkeypatch.setattr('sys.argv', ['make_shapes.py', '--out', str(tmp_path)])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(TOOL), run_name='__main__')
    assert stop.value.code == 2
    assert re.fullmatch('make_shapes.py: error: .* no Shapes set .*\\n', capsys.readouterr().err)
