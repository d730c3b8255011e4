"""Small COCO annotation files with plain images."""
import json
from pathlib import Path
from collections.abc import Sequence

import cv2
import numpy as np

CLASSES = ('cat', 'dog')


def annotation(image_id: int = 1, bbox: Sequence[float] = (10, 20, 30, 40), category_id: int = 1, **others) -> dict:
    return dict(image_id=image_id, bbox=list(bbox), category_id=category_id, area=bbox[2] * bbox[3], iscrowd=0) | others


def write_coco(folder: Path, annotations: Sequence[dict] = (), sizes: Sequence[tuple[int, int]] = ((100, 80), ),
               categories: Sequence[str] = CLASSES) -> dict:
    """Write images 1.png, 2.png, ... of (width, height) and ann.json; return the arguments of a data set for them."""
    images = []
    for image_id, (width, height) in enumerate(sizes, 1):
        cv2.imwrite(str(folder / f'{image_id}.png'), np.full((height, width, 3), 10 * image_id, np.uint8))
        images.append(dict(id=image_id, file_name=f'{image_id}.png', width=width, height=height))
    rows = [dict(id=index, **row) for index, row in enumerate(annotations, 1)]
    categories = [dict(id=index, name=name) for index, name in enumerate(categories, 1)]
    content = dict(images=images, annotations=rows, categories=categories)
    (folder / 'ann.json').write_text(json.dumps(content))
    return dict(data_root=str(folder), ann_file='ann.json', data_prefix=dict(img=''), metainfo=dict(classes=CLASSES))
