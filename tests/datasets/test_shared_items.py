"""How annotation files are read, and how the workers share what was read."""
import gc
import json
import pickle
from collections.abc import Iterator

import numpy as np
import pytest
from coco_files import annotation, write_coco
from grounding_files import image, row, write_grounding
from mmengine.dataset import BaseDataset
from torch.utils.data import DataLoader

from mmdet_ext.annotations import annotation_json
from mmdet_ext.datasets import MDETRDataset, YOLOCocoDataset


@pytest.fixture(params=['msgspec', 'json'])
def parser(request, monkeypatch) -> str:
    if request.param == 'json':
        monkeypatch.setattr(annotation_json, 'msgspec', None)
    else:
        pytest.importorskip('msgspec')
    return request.param


@pytest.mark.parametrize('text', [
    '{"a": [1, -0, 1.0, 1e3, -0.0, 0.1, 5e-324, 123456789012345678901234567890], "b": {"ü": null, "é\\u0301": true}}',
    '[NaN, Infinity, -Infinity, 1e400]', '"\\ud800"', '{"a": 1, "a": 2}',
])
def test_the_content_is_that_of_json(parser, tmp_path, text):
    path = tmp_path / 'file.json'
    path.write_text(text, encoding='utf-8')
    read, expected = annotation_json.load_json(str(path)), json.loads(text)
    assert repr(read) == repr(expected)


@pytest.mark.parametrize('text', ['[1,]', '{"a": 1'])
def test_what_is_no_json_is_named_with_its_place(parser, tmp_path, text):
    path = tmp_path / 'file.json'
    path.write_text(text)
    with pytest.raises(ValueError, match='file.json: line 1, column .* is no valid json'):
        annotation_json.load_json(str(path))


@pytest.mark.parametrize('enabled', [True, False])
def test_the_collector_is_left_as_it_was(enabled):
    (gc.enable if enabled else gc.disable)()
    try:
        with pytest.raises(KeyError), annotation_json.paused_collector():
            assert not gc.isenabled()
            raise KeyError
        assert gc.isenabled() == enabled
    finally:
        gc.disable()  # as in all tests


def datasets(tmp_path) -> list[BaseDataset]:
    (tmp_path / 'coco').mkdir()
    (tmp_path / 'captions').mkdir()
    images = tuple(image(i, file_name=f'{i}.png') for i in range(1, 4))
    captions = write_grounding(tmp_path / 'captions', row(), row(2, image_id=3), images=images)
    boxes = write_coco(tmp_path / 'coco', [annotation(), annotation(2)], sizes=((100, 80), (90, 70), (50, 100)))
    return [MDETRDataset(**captions, pipeline=[frozen_objects]), YOLOCocoDataset(**boxes, pipeline=[frozen_objects])]


def frozen_objects(results: dict) -> tuple[int, int]:
    return results['img_id'], gc.get_freeze_count()


def test_items_are_bytes_as_mmengine_makes_them(tmp_path):
    for dataset in datasets(tmp_path):
        assert dataset.serialize_data and dataset.data_list == [] and len(dataset) == 3
        items = dataset.load_data_list()
        assert [dataset.get_data_info(i) for i in range(3)] == [item | dict(sample_idx=i)
                                                                for i, item in enumerate(items)]
        dataset.data_list = items
        expected = BaseDataset._serialize_data(dataset)
        for array, expected_array in zip((dataset.data_bytes, dataset.data_address), expected, strict=True):
            assert array.dtype == expected_array.dtype and np.array_equal(array, expected_array)


def test_a_data_set_keeps_no_annotation_outside_of_its_bytes(tmp_path):
    for dataset in datasets(tmp_path):
        others = {key: value for key, value in vars(dataset).items() if key not in ('data_bytes', 'pipeline')}
        assert b'2.png' in dataset.data_bytes.tobytes() and b'2.png' not in pickle.dumps(others)
        assert getattr(dataset, 'cat_img_map', {}) == {}


@pytest.fixture
def nothing_frozen() -> Iterator[None]:
    """conftest.py has frozen what was imported."""
    gc.unfreeze()
    yield
    gc.freeze()


@pytest.mark.usefixtures('nothing_frozen')
def test_the_collector_of_a_worker_leaves_alone_what_it_inherited(tmp_path):
    assert gc.get_freeze_count() == 0
    for dataset in datasets(tmp_path):
        assert dataset[0] == (1, 0)
        loader = DataLoader(dataset, batch_size=None, num_workers=2)
        seen = dict(loader)
        assert sorted(seen) == [1, 2, 3] and min(seen.values()) > 10_000
    assert gc.get_freeze_count() == 0
