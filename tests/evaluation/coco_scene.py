"""Random objects and detections in COCO's format, with all that COCO's figures tell apart."""
import json
from pathlib import Path

import numpy as np
import torch
from pycocotools import mask as coco_mask

CLASSES = ('cat', 'dog', 'owl', 'yak')
SIZE = (120, 160)


def rectangle(box: list[float]) -> np.ndarray:
    """A mask (H, W), uint8."""
    mask = np.zeros(SIZE, np.uint8)
    x1, y1, x2, y2 = np.round(box).astype(int)
    mask[max(y1, 0):y2, max(x1, 0):x2] = 1
    return mask


def run_lengths(box: list[float]) -> dict:
    """An uncompressed code, as COCO's crowds have it."""
    flat = rectangle(box).ravel(order='F')
    starts = np.flatnonzero(np.diff(flat, prepend=0, append=0))
    return dict(size=list(SIZE), counts=np.diff([0, *starts, flat.size]).tolist())


def write_scene(folder: Path, seed: int = 0, num_images: int = 12, classes: tuple[str, ...] = CLASSES) -> str:
    """Crowds, boxes without area, small and large objects, an image without any and a class that is nowhere."""
    rng = np.random.default_rng(seed)
    images = [dict(id=3 * i + 2, file_name=f'{i}.png', height=SIZE[0], width=SIZE[1]) for i in range(num_images)]
    rows = []
    for image in images[1:]:
        for _ in range(rng.integers(1, 9)):
            w, h = rng.choice([3., 20., 60., 110.], 2) * rng.uniform(0.7, 1, 2)
            x, y = rng.uniform(0, 0.5, 2) * [160, 120]
            crowd = bool(rng.random() < 0.15)
            if rng.random() < 0.1:
                w = 0.
            box = [x, y, x + w, y + h]
            outline = run_lengths(box) if crowd else [[x, y, x + w, y, x + w, y + h, x, y + h]]
            rows.append(dict(id=len(rows) + 1, image_id=image['id'], category_id=int(rng.integers(1, 4)),
                             iscrowd=int(crowd), bbox=[x, y, w, h], area=w * h, segmentation=outline))
    content = dict(images=images, annotations=rows, categories=[dict(id=i, name=name)
                                                                for i, name in enumerate(classes, 1)])
    path = folder / 'scene.json'
    path.write_text(json.dumps(content))
    return str(path)


def predictions(ann_file: str, seed: int = 1, num: int = 40) -> list[dict]:
    """Data samples: the objects shifted, often of another class, some of equal scores, and as many boxes anywhere."""
    rng = np.random.default_rng(seed)
    content = json.loads(Path(ann_file).read_text())
    samples = []
    for image in content['images']:
        image_boxes = [row['bbox'] for row in content['annotations'] if row['image_id'] == image['id']]
        boxes = np.array(image_boxes * 3 + rng.uniform(1, 60, (num - 3 * len(image_boxes), 4)).tolist())
        boxes[:, 2:] += boxes[:, :2]
        boxes += rng.normal(0, 3, boxes.shape)
        labels = rng.integers(0, 3, num)
        masks = [coco_mask.encode(np.asfortranarray(rectangle(box))) for box in boxes]
        samples.append(dict(
            img_id=image['id'], ori_shape=SIZE, pred_instances=dict(
                bboxes=torch.tensor(boxes, dtype=torch.float32), scores=torch.tensor(rng.uniform(0, 1, num).round(1)),
                labels=torch.tensor(labels), masks=masks)))
    return samples
