"""`CheckedCocoDataset` gives the items of mmdet's `CocoDataset`."""
import json

import pytest
from coco_files import annotation, write_coco
from mmdet.datasets import CocoDataset

from mmdet_ext.datasets import CheckedCocoDataset


def items(kind: type, **options) -> list[dict]:
    dataset = kind(**options)
    return [dataset.get_data_info(i) for i in range(len(dataset))]


@pytest.mark.parametrize('options', [
    dict(), dict(test_mode=True), dict(filter_cfg=dict(filter_empty_gt=True, min_size=45)), dict(indices=2),
    dict(metainfo=dict(classes=('dog', ))), dict(return_classes=True), dict(serialize_data=False)])
def test_items_are_mmdets(tmp_path, options):
    rows = [annotation(), annotation(2, category_id=2, iscrowd=1), annotation(2, bbox=(-5, 60, 20, 90)),
            annotation(1, bbox=(1, 1, 0.5, 9)), annotation(1, bbox=(200, 1, 5, 5)), annotation(4, ignore=1),
            annotation(1, bbox=(1, 1, 0, 5)), annotation(1, segmentation=[[10, 20, 40, 20, 40, 60]])]
    files = write_coco(tmp_path, rows, sizes=((100, 80), (90, 70), (50, 40), (60, 60))) | options
    expected = items(CocoDataset, **files)
    assert items(CheckedCocoDataset, **files) == expected and len(expected) > 0


def test_items_of_coco128_are_mmdets(coco128):
    options = dict(ann_file=str(coco128 / 'annotations/instances_train2017.json'), data_prefix=dict(img='train2017'))
    assert items(CheckedCocoDataset, **options) == items(CocoDataset, **options)


def test_without_area_and_iscrowd_the_items_are_the_same(tmp_path):
    files = write_coco(tmp_path, [annotation(), annotation(category_id=2)])
    expected = items(CocoDataset, **files)
    content = json.loads((tmp_path / 'ann.json').read_text())
    for row in content['annotations']:
        del row['area'], row['iscrowd']
    (tmp_path / 'ann.json').write_text(json.dumps(content))
    assert items(CheckedCocoDataset, **files) == expected
