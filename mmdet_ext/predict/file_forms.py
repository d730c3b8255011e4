"""The forms in which detections are written to files: rows of CSV and of the MOT challenge, and codes of masks."""
import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .detections import Detections

COLUMNS = ('source', 'frame', 'caption', 'id', 'name', 'label', 'score', 'x1', 'y1', 'x2', 'y2')


def json_text(content: Any) -> bytes:
    """Content as a line of json in UTF-8; bytes of a file name that are no UTF-8 become escapes, as json knows them."""
    return json.dumps(content, ensure_ascii=False, separators=(',', ':')).encode(errors='backslashreplace')


def csv_text(row: Sequence) -> bytes:
    """A line of a CSV file in UTF-8; bytes of a file name stay as they are."""
    text = io.StringIO()
    csv.writer(text, lineterminator='\n').writerow(row)
    return text.getvalue().encode(errors='surrogateescape')


def csv_rows(detections: Detections, source: str, frame: int | None = None, caption: str | None = None,
             ) -> Iterator[tuple]:
    """A row of `COLUMNS` for each detection; empty text for what does not apply."""
    ids = [''] * len(detections) if detections.ids is None else detections.ids.tolist()
    for box, score, label, name, track in zip(detections.boxes.tolist(), detections.scores.tolist(),
                                              detections.labels.tolist(), detections.names, ids, strict=True):
        yield (source, '' if frame is None else frame, caption or '', track, name, label, f'{score:.5f}',
               *(f'{side:.2f}' for side in box))


def mot_rows(detections: Detections, frame: int) -> Iterator[tuple]:
    """Rows of the MOT challenge, frames from 1: frame, id, left, top, width, height, score, class from 1, -1, -1."""
    for (x1, y1, x2, y2), score, label, track in zip(detections.boxes.tolist(), detections.scores.tolist(),
                                                     detections.labels.tolist(), detections.ids.tolist(), strict=True):
        yield (frame + 1, track, *(f'{value:.2f}' for value in (x1, y1, x2 - x1, y2 - y1)), f'{score:.5f}', label + 1,
               -1, -1)


def encode_masks(masks: np.ndarray) -> list[dict]:
    """COCO's run-length codes of (K, H, W) bool, as json."""
    from pycocotools import mask

    codes = mask.encode(np.asfortranarray(masks.transpose(1, 2, 0).astype(np.uint8)))
    return [dict(size=list(code['size']), counts=code['counts'].decode()) for code in codes]


def decode_masks(codes: Sequence[dict], shape: tuple[int, int]) -> np.ndarray:
    """The inverse of `encode_masks`: (K, H, W) bool."""
    from pycocotools import mask

    if not codes:
        return np.zeros((0, *shape), dtype=bool)
    return mask.decode([dict(code) for code in codes]).transpose(2, 0, 1).astype(bool)
