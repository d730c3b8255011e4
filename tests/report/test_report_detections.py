"""The sections of ground truth and predictions, as a whole."""
import cv2
import numpy as np
import pytest
from report_scenes import image_of, random_results, results_of

from mmdet_ext.report import DetectionResults
from mmdet_ext.report.detections import detection_sections
from mmdet_ext.report.drawn_objects import RIGHT, WRONG, Scenes
from mmdet_ext.report.examples import best_and_worst
from mmdet_ext.report.matching import match
from mmdet_ext.report.mistakes import find_mistakes, missed_objects
from mmdet_ext.visualization import style

BOX, FAR = (0, 0, 10, 10), (50, 50, 60, 60)


@pytest.fixture(scope='module')
def grey(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp('images') / 'grey.png'
    cv2.imwrite(str(path), np.full((100, 100, 3), 128, np.uint8))
    return str(path)


@pytest.fixture(autouse=True)
def coarse_figures(monkeypatch):
    monkeypatch.setattr(style, 'DPI', 50)


def scenes_of(results: DetectionResults, threshold: float = 0.5) -> Scenes:
    matches = match(results)
    mistakes = find_mistakes(matches, len(results.classes))
    missed = missed_objects(matches, mistakes.kind, mistakes.target, threshold)
    return Scenes(results, matches, mistakes, missed, threshold)


def test_all_sections_of_a_common_case(tmp_path, grey):
    results = random_results(1, num_images=10)
    sections = detection_sections(results, tmp_path / 'report')
    assert [section.key for section in sections] == ['scores', 'confusion', 'mistakes', 'best', 'worst']
    for figure in (figure for section in sections for figure in section.figures):
        image = cv2.imread(str(figure.path))
        assert figure.path.parent == tmp_path / 'report' and image.shape[1] >= 260 and image.std() > 1 and figure.text
    table = sections[0].tables[0]
    assert [row[0] for row in table.rows] == ['all classes', *results.classes]
    assert all(len(row) == len(table.header) for row in table.rows)
    boxes = sum((~image.ignored).sum() for image in results.images)
    assert table.rows[0][2] == boxes == sum(row[2] for row in table.rows[1:])
    assert table.rows[0][3] == pytest.approx(np.mean([row[3] for row in table.rows[1:]]))
    by_size = sections[2].tables[1].rows
    assert sum(row[1] for row in by_size) == boxes
    assert len({figure.path for section in sections for figure in section.figures}) == sum(
        len(section.figures) for section in sections)


@pytest.mark.parametrize('num_classes, images, keys', [
    (1, [image_of()], []), (2, [image_of([(*BOX, 0)])], ['worst']),
    (1, [image_of([], [(*BOX, 0, 0.9)])], ['worst']),
    (2, [image_of([(*BOX, 0)], [(*BOX, 0, 0.9)])], ['best']),
    (2, [image_of([(*BOX, 0)], [(*BOX, 0, 0.9)], crowds=[0])], [])],
    ids=['nothing', 'no detection', 'no object', 'all right', 'crowd only'])
def test_rare_cases_have_all_sections_and_undefined_values_are_none(tmp_path, num_classes, images, keys):
    sections = detection_sections(results_of(*images, num_classes=num_classes), tmp_path)
    assert [section.key for section in sections] == ['scores', 'confusion', 'mistakes', *keys]
    total, first = sections[0].tables[0].rows[:2]
    objects = sum((~image.ignored).sum() for image in images)
    assert (total[3] is None) == (first[3] is None) == (objects == 0)
    costs = [row[3] for row in sections[2].tables[0].rows]
    assert all(value is None for value in costs) == (objects == 0)
    values = [value for section in sections for table in section.tables for row in table.rows for value in row
               if isinstance(value, float)]
    assert np.isfinite(values).all()
    if num_classes == 2:
        assert sections[0].tables[0].rows[2][3:6] == [None] * 3  # a class without objects


def test_no_images_are_an_error(tmp_path):
    with pytest.raises(ValueError, match='no images'):
        detection_sections(results_of(), tmp_path)


def test_best_and_worst_are_by_f1_and_no_image_is_in_both():
    right, wrong = image_of([(*BOX, 0)], [(*BOX, 0, 0.9)]), image_of([(*BOX, 0)], [(*FAR, 0, 0.9)])
    half = image_of([(*BOX, 0), (*FAR, 0)], [(*BOX, 0, 0.9)])
    both = image_of([(*BOX, 0), (*FAR, 0)], [(*BOX, 0, 0.9), (*FAR, 0, 0.8)])
    scenes = scenes_of(results_of(wrong, right, half, image_of(), both, right))
    assert best_and_worst(scenes) == ([4, 1, 5], [0, 2])
    assert best_and_worst(scenes_of(results_of(*[right] * 30, *[wrong] * 30))) == ([*range(12)], [*range(30, 42)])


def test_right_boxes_are_blue_and_mistakes_red_on_their_side(grey):
    image = image_of([(10, 40, 30, 60, 0), (60, 40, 90, 70, 1)], [(10, 40, 30, 60, 0, 0.9), (60, 5, 90, 15, 1, 0.8)],
                     path=grey)
    pair = scenes_of(results_of(image)).pair(0)[..., ::-1].astype(int)
    top, right = len(pair) - 640, pair.shape[1] - 640

    def color(x: float, y: float) -> list[int]:
        return pair[round(top + 6.4 * y), round(x)].tolist()

    assert color(6.4 * 10, 55) == list(RIGHT) and color(6.4 * 60, 65) == list(WRONG)
    assert color(right + 6.4 * 10, 55) == list(RIGHT) and color(right + 6.4 * 60, 65) == [128] * 3
    assert color(right + 6.4 * 60, 13) == list(WRONG)


def test_labels_say_what_is_wrong():
    scenes = scenes_of(results_of(image_of([(*BOX, 0), (*FAR, 1)], [(*BOX, 1, 0.9), (20, 20, 30, 30, 0, 0.8)])))
    assert [scenes.label(index) for index in (0, 1)] == ['class 1 0.90: wrong class', 'class 0 0.80: no object']
    assert [scenes.state(index) for index in (0, 1)] == ['mistaken', 'missed']


def test_an_image_that_cannot_be_read_is_grey(tmp_path):
    image = scenes_of(results_of(image_of([(*BOX, 0)], path=str(tmp_path / 'gone.jpg'), shape=(40, 30)))).image(0)
    assert image.shape == (40, 30, 3) and image.std() == 0
