"""Numbers of tracks in videos of moving squares."""
import sys

import numpy as np
import pytest
from blobs import BlobPredictor, scene, write_scene, write_video

from mmdet_ext.predict import Detections, Tracker, predict_sources

# Two red squares pass each other on different heights, and a blue one hides the upper for some frames.
CROSSING = [[('red', 4 * number, 10, 20), ('red', 152 - 4 * number, 25, 20), ('blue', 70, 0, 24)]
            for number in range(38)]


def tracks_of(results) -> dict[int, list[tuple[int, float]]]:
    """Of each track the frames and the left sides."""
    tracks = {}
    for number, detections in enumerate(results):
        for track, box, name in zip(detections.ids.tolist(), detections.boxes, detections.names, strict=True):
            tracks.setdefault((track, name), []).append((number, float(box[0])))
    return tracks


def test_ids_stay_with_objects_that_cross_and_are_hidden(tmp_path):
    video = write_video(tmp_path / 'crossing.mp4', CROSSING, width=180, height=60)
    results = [detections for _, detections in predict_sources(BlobPredictor(), video, track=True)]
    tracks = tracks_of(results)
    right = [rows for (_, name), rows in tracks.items() if name == 'red' and rows[0][1] < 20 and len(rows) > 10]
    left = [rows for (_, name), rows in tracks.items() if name == 'red' and rows[0][1] > 100 and len(rows) > 10]
    assert len(right) == len(left) == 1
    # before and after the square is hidden it has one number, and moves on as before
    assert right[0][0][0] == 0 and right[0][-1] == (37, pytest.approx(4 * 37, abs=3)) and len(right[0]) < 38
    assert left[0][0][0] == 0 and left[0][-1] == (37, pytest.approx(152 - 4 * 37, abs=3))
    assert sum(name == 'blue' for _, name in tracks) == 1


def test_without_the_tracker_there_are_no_ids(tmp_path):
    video = write_video(tmp_path / 'crossing.mp4', CROSSING[:2], width=180, height=60)
    assert all(detections.ids is None for _, detections in predict_sources(BlobPredictor(), video))


def test_a_folder_of_images_is_a_video_and_each_begins_anew(tmp_path):
    for folder in 'ab':
        for number in range(12):
            write_scene(tmp_path / folder / f'{number}.png', ('red', 3 * number, 10, 20))
    steps = list(predict_sources(BlobPredictor(), tmp_path, recursive=True, track=True))
    assert [frame.index for frame, _ in steps] == [*range(12)] * 2
    assert [detections.ids.tolist() for _, detections in steps] == [[1]] * 24
    assert [detections.boxes[0, 0] for _, detections in steps[:12]] == [3 * number for number in range(12)]


def test_a_weak_detection_goes_on_with_a_track_and_begins_none():
    boxes = np.float32([[10, 10, 40, 40], [80, 10, 110, 40]])

    def frame(*scores: float) -> Detections:
        return Detections(boxes, np.float32(scores), np.array([0, 1]), ['a', 'b'], None, (60, 120))

    tracker = Tracker(score_thr=0.5)
    assert [tracker(frame(*scores)).ids.tolist() for scores in ((0.9, 0.2), (0.2, 0.2), (0.3, 0.9), (0.05, 0.8))] == [
        [1], [1], [2, 1], [2]]


def test_detections_keep_all_that_belongs_to_them():
    image = scene([('red', 10, 10, 20), ('blue', 60, 30, 20)])
    detections = BlobPredictor(with_masks=True)(image)
    weak = Detections(detections.boxes, np.float32([0.6, 0.9]), detections.labels, detections.names, None,
                      detections.shape, masks=detections.masks)
    tracked = Tracker()(weak)
    assert tracked.names == ['blue', 'red'] and tracked.scores.tolist() == pytest.approx([0.9, 0.6])
    assert [mask.sum() for mask in tracked.masks] == [400, 400]
    assert tracked.masks[0][35, 65] and tracked.masks[1][15, 15]


def test_equal_detections_are_told_apart():
    twice = Detections(np.float32([[10, 10, 40, 40]] * 2), np.float32([0.9, 0.9]), np.array([0, 0]), ['a', 'b'], None,
                       (60, 120))
    assert sorted(Tracker()(twice).names) == ['a', 'b']


def test_a_missing_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, 'lap', None)
    with pytest.raises(ImportError, match=r'lap is not installed: pip install "mmdet_ext\[track\]"'):
        Tracker()
