"""The benchmarks of data, small: what they measure is there, and two ways have one result."""
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmdet_ext.benchmarks import data
from mmdet_ext.benchmarks.measure import Measurement

CONFIG = Path(__file__).parents[2] / 'configs/_base_/yolov9_500e_coco.py'


@pytest.fixture
def here(monkeypatch):
    """Without a process of its own, which takes seconds to start."""
    monkeypatch.setattr(data, 'alone', lambda work, *args: work(*args))


def check(rows: list, labels: list[str]) -> None:
    assert [label.rsplit(': ')[-1].rsplit(', ')[-1] for label, _ in rows] == labels
    assert all(found.seconds > 0 and found.peak_bytes > 0 for _, found in rows)


def test_figures_are_measured_by_both_metrics(here):
    check(list(data.coco_figures(6, 20)), ['CocoMetric', 'FastCocoMetric'])


def test_captions_are_read_both_ways(here):
    check(list(data.captions(40)), ['read_json', 'read_captions'])


def test_training_images_are_made_without_and_with_the_cache(here):
    check(list(data.training_images(CONFIG, count=3, repeats=1)), ['cache=None', "cache='ram'"])


def test_a_process_of_its_own_says_how_far_it_grew():
    found = data.alone(grow, 64 << 20)
    assert 60 << 20 < found.peak_bytes < 90 << 20


def grow(size: int) -> Measurement:
    return data.timed(lambda: b'x' * size)


def test_generated_files_fit_each_other(tmp_path):
    data.write_truth(tmp_path / 'truth.json', 5)
    data.write_images(tmp_path, 5)
    content = json.loads((tmp_path / 'truth.json').read_text())
    assert len(content['annotations']) > 10
    for image in content['images']:
        assert cv2.imread(str(tmp_path / image['file_name'])).shape[:2] == data.SIZE
        assert (image['height'], image['width']) == data.SIZE
    samples = data.generated_detections(str(tmp_path / 'truth.json'), 20)
    assert [len(scores) for _, _, scores, _ in samples] == [20] * 5
    assert all(np.diff(boxes.reshape(-1, 2, 2), axis=1).max() > 0 for _, boxes, _, _ in samples)
