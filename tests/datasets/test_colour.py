import cv2
import numpy as np
import pytest
from mmdet_ext.datasets.transforms import YOLOHSV, YOLOFilters
from mmdet_ext.datasets.transforms import filters
from numpy.testing import assert_allclose, assert_array_equal

COLOURS = np.uint8([[[40, 80, 160], [200, 100, 50], [0, 0, 255], [128, 128, 128]]])


def hsv_with(monkeypatch, draws: list[float]) -> np.ndarray:
    """HSV of the colours with factors 1 + draw."""
    monkeypatch.setattr(np.random, 'uniform', lambda low, high, size: np.array(draws))
    results = YOLOHSV(hue=1, saturation=1, value=1)(dict(img=COLOURS.copy()))
    return cv2.cvtColor(results['img'], cv2.COLOR_BGR2HSV)[0].astype(int)


def test_gains_of_0_only_round():
    results = YOLOHSV(0, 0, 0)(dict(img=COLOURS.copy()))
    assert_allclose(results['img'].astype(int), COLOURS.astype(int), atol=2)


def test_value_is_multiplied_and_cut_at_255(monkeypatch):
    assert_array_equal(hsv_with(monkeypatch, [0, 0, -0.5])[:, 2], [80, 100, 127, 64])
    assert_array_equal(hsv_with(monkeypatch, [0, 0, 0.5])[:, 2], [240, 255, 255, 192])


def test_hue_turns_round(monkeypatch):
    before = cv2.cvtColor(COLOURS, cv2.COLOR_BGR2HSV)[0, :, 0]
    assert_array_equal(before, [10, 110, 0, 0])
    assert_allclose(hsv_with(monkeypatch, [0.8, 0, 0])[:, 0], [18, 18, 0, 0], atol=1)  # 110 * 1.8 = 198 = 18


def test_without_saturation_all_is_grey(monkeypatch):
    assert_array_equal(hsv_with(monkeypatch, [0, -1, 0])[:, 1], 0)


def test_the_default_is_the_same_for_the_same_seed_only():
    results = []
    for seed in (0, 0, 1):
        np.random.seed(seed)
        results.append(YOLOHSV()(dict(img=COLOURS.copy()))['img'])
    assert_array_equal(results[0], results[1])
    assert (results[0] != results[2]).any()


def test_filters_of_probability_0_do_nothing():
    img = COLOURS.copy()
    assert YOLOFilters(0.)(dict(img=img))['img'] is img


def test_filters_of_probability_1_leave_a_grey_image():
    np.random.seed(0)
    img = np.random.randint(0, 255, (32, 48, 3), np.uint8)
    filtered = YOLOFilters(1.)(dict(img=img.copy()))['img']
    assert filtered.shape == img.shape and filtered.dtype == np.uint8
    assert np.ptp(filtered.astype(int), axis=2).max() <= 2  # by way of the lightness
    assert filtered.std() != img.std()


@pytest.mark.parametrize('name', ['_blur', '_median', '_clahe'])
def test_each_filter_leaves_one_colour_as_it_is(name):
    img = np.full((32, 48, 3), 90, np.uint8)
    assert_allclose(getattr(filters, name)(img).mean((0, 1)), 90, atol=30 if name == '_clahe' else 0)


def test_filters_reject_a_probability_above_1():
    with pytest.raises(ValueError, match='prob must be between 0 and 1, got 2'):
        YOLOFilters(2)
