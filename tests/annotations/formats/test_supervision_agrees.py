"""On files without mistakes supervision reads the same boxes, by code that is not ours."""
import json
from pathlib import Path

import pytest
import supervision
from written_formats import shapes_source, write_format

from mmdet_ext.annotations.formats import prepare_data
from mmdet_ext.shapes import ShapesConfig, make_shapes


def by_supervision(name: str, folder: Path) -> supervision.DetectionDataset:
    if name == 'yolo':
        parts = (folder / 'images' / 'train', folder / 'labels' / 'train', folder / 'data.yaml')
        return supervision.DetectionDataset.from_yolo(*map(str, parts))
    if name == 'coco':
        return supervision.DetectionDataset.from_coco(str(folder / 'train2017'),
                                                      str(folder / 'annotations' / 'instances_train2017.json'))
    return supervision.DetectionDataset.from_pascal_voc(str(folder / 'train'), str(folder / 'train'))


@pytest.mark.parametrize('name', ['yolo', 'coco', 'voc roboflow'])
def test_supervision_reads_the_same_boxes(name, tmp_path):
    make_shapes(tmp_path / 'shapes', ShapesConfig(train=5, val=2, test=1, seed=3))
    folder = write_format(name, shapes_source(tmp_path / 'shapes'), tmp_path / 'data')
    content = json.loads(prepare_data(folder, tmp_path / 'out').train.ann_file.read_text())
    names = {row['id']: row['name'] for row in content['categories']}
    files = {row['id']: Path(row['file_name']).name for row in content['images']}
    rows = sorted((files[row['image_id']], names[row['category_id']], *row['bbox']) for row in content['annotations'])
    dataset = by_supervision(name, folder)
    expected = sorted((Path(path).name, dataset.classes[label], x1, y1, x2 - x1, y2 - y1)
                      for path, _, detections in dataset
                      for (x1, y1, x2, y2), label in zip(detections.xyxy.tolist(), detections.class_id))
    assert [row[:2] for row in rows] == [row[:2] for row in expected] and len(rows) > 5
    for row, expected_row in zip(rows, expected):
        assert row[2:] == pytest.approx(expected_row[2:], abs=0.01)
