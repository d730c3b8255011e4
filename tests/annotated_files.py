"""One small annotation file that every data set and metric of the package reads, and what reads it."""
import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmdet.registry import DATASETS, METRICS

WIDTH, HEIGHT = 96, 64
CONTENT = dict(
    images=[dict(id=1, file_name='1.png', width=WIDTH, height=HEIGHT, caption='a dog', dataset_name='refcoco',
                 tokens_positive_eval=[[[0, 5]]])],
    annotations=[dict(id=1, image_id=1, category_id=1, bbox=[5, 5, 30, 40], area=1200, iscrowd=0,
                      segmentation=[[5, 5, 35, 5, 35, 45, 5, 45]], tokens_positive=[[0, 5]])],
    categories=[dict(id=1, name='dog')])
CLASSES = dict(classes=('dog', ))
COCO_SETS = dict(CheckedCocoDataset=dict(metainfo=CLASSES), YOLOCocoDataset=dict(metainfo=CLASSES))
GROUNDING_SETS = dict(MDETRDataset={}, GQADataset={}, ClevrDataset={})
COCO_METRICS = dict(FastCocoMetric={}, YOLOCocoMetric={})
GROUNDING_METRICS = dict(AgnosticCocoMetric={}, PhraseGroundingMetric={}, ReferringMetric={}, PhraseCutMetric={})
DATASET_KINDS = COCO_SETS | GROUNDING_SETS
COCO_KINDS = COCO_SETS | COCO_METRICS
KINDS = DATASET_KINDS | COCO_METRICS | GROUNDING_METRICS


def good_content(kind: str) -> dict:
    content = copy.deepcopy(CONTENT)
    if kind == 'GQADataset':
        content['images'][0].update(questionId=7)
    return content


def write(folder: Path, kind: str, change: Callable[[dict], Any] = lambda content: None) -> Path:
    """Write case.json as the kind needs it, after a change, and its image."""
    content = good_content(kind)
    change(content)
    cv2.imwrite(str(folder / '1.png'), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    (folder / 'case.json').write_text(json.dumps(content))
    return folder / 'case.json'


def build(kind: str, file: Path, **options: Any) -> Any:
    """The data set or metric of this kind for a file."""
    if kind not in DATASET_KINDS:
        metric = METRICS.build(dict(type=kind, ann_file=str(file), **options))
        metric.dataset_meta = CLASSES
        return metric
    return DATASETS.build(dict(type=kind, ann_file=str(file), data_prefix=dict(img=f'{file.parent}/'),
                               **DATASET_KINDS[kind] | options))
