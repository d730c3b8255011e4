"""The benchmarks of data, small: what they measure is there, and two ways have one result."""
import json
from pathlib import Path

import cv2
import pytest
from benchmarks import data, inputs
from benchmarks.measure import Work
from benchmarks.processes import alone

CONFIG = Path(__file__).parents[2] / 'configs/_base_/yolov9_500e_coco.py'


@pytest.fixture
def in_this_process(monkeypatch):
    """Another process takes seconds to start."""
    monkeypatch.setattr(data, 'alone', lambda work, *args: work(*args))


def check(rows: list, labels: list[str]) -> None:
    assert [label.rsplit(': ')[-1].rsplit(', ')[-1] for label, _ in rows] == labels
    assert all(measured.seconds > 0 and measured.peak_bytes > 0 for _, measured in rows)


def test_figures_are_measured_by_both_metrics(in_this_process):
    check(list(data.coco_figures(6, 20)), ['CocoMetric', 'FastCocoMetric'])


def test_captions_are_read_both_ways(in_this_process):
    check(list(data.captions(40)), ['json.load', 'MDETRDataset'])


def test_annotations_are_read_by_both_data_sets(in_this_process):
    check(list(data.annotations(5)), ['json.load', 'CocoDataset', 'YOLOCocoDataset'])


def test_training_images_are_made_without_and_with_the_cache(in_this_process):
    check(list(data.training_images(CONFIG, count=3, repeats=1)), ['cache=None', "cache='ram'"])


def test_a_process_of_its_own_says_how_far_it_grew():
    measured = alone(data.growth, 1, grow, 64 << 20)
    assert 60 << 20 < measured.peak_bytes < 90 << 20


def grow(size: int) -> Work:
    return lambda: b'x' * size


def test_generated_files_fit_each_other(tmp_path):
    inputs.write_truth(tmp_path / 'truth.json', 5)
    inputs.write_images(tmp_path, 5)
    content = json.loads((tmp_path / 'truth.json').read_text())
    assert len(content['annotations']) > 10
    for image in content['images']:
        assert cv2.imread(str(tmp_path / image['file_name'])).shape[:2] == inputs.SIZE
        assert (image['height'], image['width']) == inputs.SIZE
    samples = inputs.generated_detections(tmp_path / 'truth.json', 20)
    assert [len(detections['scores']) for _, detections in samples] == [20] * 5
    assert all(detections['bboxes'].view(-1, 2, 2).diff(dim=1).max() > 0 for _, detections in samples)
