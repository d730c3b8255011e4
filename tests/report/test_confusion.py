"""Which classes are taken for each other."""
import numpy as np
import pytest
import supervision as sv
from report_scenes import image_of, random_results, results_of

from mmdet_ext.report.average_precision import evaluate
from mmdet_ext.report.confusion import confused_pairs, confusion_matrix, confusion_section
from mmdet_ext.report.matching import match

BOX, FAR = (0, 0, 10, 10), (50, 50, 60, 60)


def matrix_of(*images, threshold=0.5, num_classes=2):
    results = results_of(*images, num_classes=num_classes)
    return confusion_matrix(results, match(results), threshold).tolist()


@pytest.mark.parametrize('detections, expected', [
    ([(*BOX, 0, 0.9)], [[1, 0, 0], [0, 0, 0], [0, 0, 0]]),
    ([(*BOX, 1, 0.9)], [[0, 1, 0], [0, 0, 0], [0, 0, 0]]),
    ([(*BOX, 1, 0.9), (0, 0, 10, 9, 0, 0.6)], [[1, 0, 0], [0, 0, 0], [0, 1, 0]]),  # its own class first
    ([(*FAR, 1, 0.9)], [[0, 0, 1], [0, 0, 0], [0, 1, 0]]),
    ([(*BOX, 0, 0.4)], [[0, 0, 1], [0, 0, 0], [0, 0, 0]]),  # under the threshold
    ([(0, 0, 10, 5, 0, 0.5)], [[1, 0, 0], [0, 0, 0], [0, 0, 0]]),  # IoU of one half, score of the threshold
    ([], [[0, 0, 1], [0, 0, 0], [0, 0, 0]])])
def test_one_object_worked_out_by_hand(detections, expected):
    assert matrix_of(image_of([(*BOX, 0)], detections)) == expected


def test_crowds_and_detections_on_them_do_not_count():
    image = image_of([(0, 0, 40, 40, 0), (*FAR, 1)], [(*BOX, 0, 0.9), (*FAR, 1, 0.8)], crowds=[0])
    assert matrix_of(image) == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_images_without_objects_or_detections_are_counted():
    assert matrix_of(image_of(), image_of([], [(*BOX, 1, 0.9)])) == [[0, 0, 0], [0, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize('seed', range(2))
def test_rows_are_the_objects_and_columns_the_detections(seed):
    results = random_results(seed)
    matches = match(results)
    matrix = confusion_matrix(results, matches, 0.3)
    used = (matches.detected.score >= 0.3) & ~matches.detected.ignored
    np.testing.assert_array_equal(matrix[:-1].sum(axis=1), matches.truths.counts(4))
    np.testing.assert_array_equal(matrix[:, :-1].sum(axis=0), np.bincount(matches.detected.label[used], minlength=4))


def test_supervision_has_the_same_ap():
    results = random_results(3, num_images=30, crowds=0)
    metric = sv.metrics.MeanAveragePrecision()
    metric.update([sv.Detections(image.boxes, confidence=image.scores, class_id=image.labels)
                   for image in results.images],
                  [sv.Detections(image.true_boxes, class_id=image.true_labels) for image in results.images])
    values, ours = metric.compute(), evaluate(results).stats
    np.testing.assert_allclose([values.map50_95, values.map50, values.map75], ours[:3], atol=1e-6)


def test_the_most_frequent_confusion_comes_first_and_right_ones_are_none():
    matrix = np.array([[9, 1, 0, 5], [4, 9, 0, 5], [0, 2, 9, 5], [7, 7, 7, 0]])
    assert confused_pairs(matrix) == [(1, 0), (2, 1), (0, 1)]


@pytest.mark.parametrize('num_classes, figures', [(1, 2), (12, 2), (13, 3)])
def test_the_section_shows_many_classes_and_the_part_that_is_confused(tmp_path, num_classes, figures):
    matrix = np.eye(num_classes + 1, dtype=int)
    matrix[-1, -1] = 0
    if num_classes > 1:
        matrix[1, 0] = 3
    section = confusion_section([f'class {number}' for number in range(num_classes)], matrix, 0.5, tmp_path)
    assert len(section.figures) == figures and all(figure.path.stat().st_size > 3000 for figure in section.figures)
    rows = [row for table in section.tables for row in table.rows]
    assert rows == ([['class 1', 'class 0', 3, 0.75]] if num_classes > 1 else [])
