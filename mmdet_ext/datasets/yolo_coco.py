"""COCO annotations for YOLO training and evaluation: checked while read, and batched by aspect ratio at evaluation."""
import inspect
import logging
from collections import defaultdict
from typing import Any
from collections.abc import Sequence

import cv2
from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS
from mmengine.logging import print_log

from .annotation_json import load_json
from .batch_shapes import padded_shapes
from .coco_checks import BadBox, check_file, match_categories, read_instances
from .shared_items import SharedItems


@DATASETS.register_module()
class YOLOCocoDataset(SharedItems, CocoDataset):
    """COCO annotations that are checked while read.

    A class that the file does not have, classes in another order than the file's, ids that are not unique and boxes
    that cannot be trained on (not finite, negative size, no area, outside the image) are a ValueError. Boxes that
    stick out are clipped, rows that repeat class and box are dropped, images without a box stay, as background.

    Args:
        batch_shapes: In test mode, evaluate in the order of aspect ratio and give each picture the `batch_shape`
            (h, w) that `RectLetterbox` pads it to: dict of `batch_size`, `size`, `stride` and `pad`, see
            `padded_shapes`. None: neither.
        bad_boxes: What to do with boxes that cannot be trained on: 'error', or 'skip' with one warning.
    """

    def __init__(self, *args: Any, batch_shapes: dict | None = None, bad_boxes: str = 'error', **kwargs: Any) -> None:
        if bad_boxes not in ('error', 'skip'):
            raise ValueError(f"bad_boxes must be 'error' or 'skip', got {bad_boxes!r}")
        known = set(inspect.signature(padded_shapes).parameters) - {'aspect_ratios'}
        if unknown := set(batch_shapes or ()) - known:
            raise ValueError(f'batch_shapes takes {sorted(known)}, got {sorted(unknown)}')
        self.batch_shapes = batch_shapes
        self.bad_boxes = bad_boxes
        super().__init__(*args, **kwargs)

    def load_data_list(self) -> list[dict]:
        content = load_json(self.ann_file, self.backend_args)
        if not isinstance(content, dict):
            raise ValueError(f"{self.ann_file} is no annotation file of COCO's format: it holds a "
                             f'{type(content).__name__}')
        check_file(content, self.ann_file)
        self.cat_ids = match_categories(content['categories'], self.metainfo['classes'], self.ann_file)
        self.cat2label = {cat_id: label for label, cat_id in enumerate(self.cat_ids)}
        self.cat_img_map, rows = defaultdict(list), defaultdict(list)
        for annotation in content.pop('annotations', ()):
            self.cat_img_map[annotation['category_id']].append(annotation['image_id'])
            rows[annotation['image_id']].append(annotation)
        data_list, bad, num_duplicates = [], [], 0
        for image in content['images']:
            instances = read_instances(rows.pop(image['id'], ()), image, self.cat2label)
            raw = dict(raw_img_info=dict(image, img_id=image['id']), raw_ann_info=())
            data_list.append(dict(self.parse_data_info(raw), instances=instances.kept))
            bad.extend(instances.bad)
            num_duplicates += instances.num_duplicates
        self._report(bad, num_duplicates)
        return data_list

    def filter_data(self) -> list[dict]:
        data_list = super().filter_data()
        self.cat_img_map = {}  # read once, and as long as the file: not for the workers
        if not (self.test_mode and self.batch_shapes is not None):
            return data_list
        data_list = sorted(data_list, key=_aspect_ratio)
        shapes = padded_shapes([_aspect_ratio(data) for data in data_list], **self.batch_shapes)
        return [dict(data, batch_shape=shape) for data, shape in zip(data_list, shapes, strict=True)]

    def prepare_data(self, idx: int) -> Any:
        try:
            return super().prepare_data(idx)
        except (AssertionError, cv2.error) as error:  # OpenCV does not name the file that it cannot decode
            raise ValueError(f'cannot prepare the image {self.get_data_info(idx)["img_path"]}: {error}') from error

    def _report(self, bad: Sequence[BadBox], num_duplicates: int) -> None:
        if bad:
            message = (f'{self.ann_file}: {len(bad)} annotations have a box that cannot be trained on. '
                       f'The first: {"; ".join(map(str, bad[:5]))}')
            if self.bad_boxes == 'error':
                raise ValueError(f"{message}. Correct them, or leave them out with bad_boxes='skip'")
            print_log(f'{message}. They are left out.', logger='current', level=logging.WARNING)
        if num_duplicates:
            print_log(f'{self.ann_file}: {num_duplicates} annotations repeat the class and the box of another one of '
                      'their image and are left out.', logger='current')


def _aspect_ratio(data: dict) -> float:
    return data['height'] / data['width']
