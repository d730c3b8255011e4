"""What the page gives to take away: the boxes that it shows as COCO's json, and drawn on the image."""
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from ..files import replace_file
from ..predict.file_forms import encode_masks
from ..visualization.grounding import GroundingVisualizer
from ..visualization.images import read_image
from .parts import new_folder
from .result import Result


def coco_of(result: Result, rows: Sequence[int], classes: Sequence[str] = ()) -> dict[str, Any]:
    """The boxes of some rows in COCO's format, with `score`.

    Categories are the model's `classes`, numbered from 1 in their order; without them the names of the boxes.
    """
    names = list(classes) or sorted(set(result.detections.names))
    ids = {name: number for number, name in enumerate(names, 1)}
    height, width = result.detections.shape
    image = dict(id=1, file_name=result.image.name, width=width, height=height)
    if result.text:
        image['caption'] = result.text
    annotations = []
    for number, row in enumerate(rows, 1):
        x1, y1, x2, y2 = (round(side, 2) for side in result.detections.boxes[row].tolist())
        box = [x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)]
        annotations.append(dict(id=number, image_id=1, category_id=ids[result.detections.names[row]], bbox=box,
                                area=round(box[2] * box[3], 2), iscrowd=0,
                                score=round(float(result.detections.scores[row]), 5)))
    if result.detections.masks is not None and len(rows):
        for annotation, code in zip(annotations, encode_masks(result.detections.masks[list(rows)]), strict=True):
            annotation['segmentation'] = code
    return dict(images=[image], annotations=annotations,
                categories=[dict(id=number, name=name) for name, number in ids.items()])


def save_coco(result: Result, rows: Sequence[int], classes: Sequence[str] = ()) -> Path:
    """Write `IMAGE_boxes.json` into a new temporary folder."""
    file = _new_file(result, 'json')
    with replace_file(file) as stream:
        stream.write(json.dumps(coco_of(result, rows, classes), ensure_ascii=False, indent=1).encode())
    return file


def save_drawn(result: Result, rows: Sequence[int]) -> Path:
    """Write `IMAGE_boxes.png` into a new temporary folder: with a caption the phrases in the colours of their boxes."""
    file = _new_file(result, 'png')
    if result.spans is None:
        return result.detections.select(rows).save(file)
    shown = result.detections.select(rows)
    sample = DetDataSample(metainfo=dict(text=result.text))
    sample.pred_instances = InstanceData(
        bboxes=shown.sample.pred_instances.bboxes, scores=shown.sample.pred_instances.scores,
        spans=[result.spans[row] for row in rows])
    visualizer = GroundingVisualizer('app')
    visualizer.add_datasample(file.stem, read_image(result.image), sample, draw_gt=False, pred_score_thr=-1,
                              out_file=str(file))
    return file


def _new_file(result: Result, suffix: str) -> Path:
    return new_folder() / f'{result.image.stem}_boxes.{suffix}'
