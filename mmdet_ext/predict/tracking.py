"""Tracks of objects in a video, by mmdet's ByteTrack (https://arxiv.org/abs/2110.06864)."""
from collections import defaultdict
from dataclasses import replace

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from ..extras import import_extra
from .detections import Detections


class Tracker:
    """Gives the detections of one video numbers that stay with an object from frame to frame.

        tracker = Tracker()
        for frame in frames:
            detections = tracker(predictor(frame))
            print(detections.ids, detections.names)

    A detection above `score_thr` goes on with a track of its class that overlaps it, or begins a new one. What is left
    of the tracks of the last frame then takes detections between `low_thr` and `score_thr`, as of objects half hidden.

    Args:
        score_thr: Score above which a detection begins a track.
        low_thr: Score above which a detection can go on with one.
        patience: Frames for which the track of an object that is not seen is kept.

    Raises:
        ImportError: `lap`, which assigns detections to tracks, is not installed.
    """

    def __init__(self, score_thr: float = 0.25, low_thr: float = 0.1, *, patience: int = 30) -> None:
        import_extra('lap', 'track')
        from mmdet.models.trackers import ByteTracker

        self.low_thr = min(low_thr, score_thr)
        self.frame = 0
        self.tracker = ByteTracker(
            motion=dict(type='mmdet.KalmanFilter'), obj_score_thrs=dict(high=score_thr, low=self.low_thr),
            init_track_thr=score_thr, weight_iou_with_det_scores=False,
            match_iou_thrs=dict(high=0.1, low=0.5, tentative=0.3), num_frames_retain=patience)

    def __call__(self, detections: Detections) -> Detections:
        """The detections of the next frame that belong to tracks, with `ids` from 1, by descending score."""
        sample = DetDataSample(metainfo=dict(frame_id=self.frame), pred_instances=InstanceData(
            bboxes=torch.from_numpy(detections.boxes).float(), labels=torch.from_numpy(detections.labels),
            scores=torch.from_numpy(detections.scores)))
        tracked = self.tracker.track(sample)
        self.frame += 1
        rows = _rows_of(tracked, detections)
        order = np.argsort(-detections.scores[rows], kind='stable')
        chosen = replace(detections, sample=None).select(rows[order])
        return replace(chosen, ids=tracked.instances_id.numpy().astype(np.int64)[order] + 1)


def _rows_of(tracked: InstanceData, detections: Detections) -> np.ndarray:
    """Indices of the detections that the tracker has returned in an order of its own, with nothing else changed."""
    rows = defaultdict(list)
    for row, key in enumerate(zip(map(tuple, detections.boxes.tolist()), detections.scores.tolist(),
                                  detections.labels.tolist())):
        rows[key].append(row)
    keys = zip(map(tuple, tracked.bboxes.tolist()), tracked.scores.tolist(), tracked.labels.tolist())
    return np.array([rows[key].pop(0) for key in keys], dtype=np.int64)
