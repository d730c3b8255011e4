"""Small inputs of the mixed pre-training data."""
import json
from collections.abc import Iterable
from pathlib import Path


def pair(file_name: str, caption: str, *boxes: tuple[list, list], **fields) -> tuple[dict, list[dict]]:
    """A caption and its boxes, each as (x, y, width, height) and spans."""
    rows = [dict(bbox=bbox, tokens_positive=spans, area=bbox[2] * bbox[3], iscrowd=0, category_id=1)
            for bbox, spans in boxes]
    return dict(file_name=file_name, height=150, width=200, caption=caption, dataset_name='x') | fields, rows


def write_pairs(path: Path, pairs: Iterable[tuple[dict, list[dict]]]) -> Path:
    """An annotation file; ids count from 0."""
    images, annotations = [], []
    for image, rows in pairs:
        annotations += [row | dict(id=len(annotations) + place, image_id=len(images)) for place, row in enumerate(rows)]
        images.append(image | dict(id=len(images)))
    path.write_text(json.dumps(dict(images=images, annotations=annotations)))
    return path


def write_coco(path: Path, *ids: int) -> Path:
    images = [dict(id=id_, file_name=f'COCO_train2014_{id_:012d}.jpg', width=400, height=300) for id_ in ids]
    path.write_text(json.dumps(dict(images=images, annotations=[], categories=[])))
    return path


def write_vg(path: Path, twins: dict[int, int | None]) -> Path:
    """image_data.json with the id in COCO of each image."""
    path.write_text(json.dumps([dict(image_id=id_, coco_id=twin, width=200, height=150)
                                for id_, twin in twins.items()]))
    return path
