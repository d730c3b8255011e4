"""COCO data set for YOLO: rules for boxes, and evaluation in the order of aspect ratios."""
import inspect
import logging
from collections.abc import Sequence
from typing import Any

from mmdet.registry import DATASETS
from mmengine.logging import print_log

from ..annotations.coco_checks import BadBox, read_instances
from .batch_shapes import padded_shapes
from .checked_coco import CheckedCocoDataset


@DATASETS.register_module()
class YOLOCocoDataset(CheckedCocoDataset):
    """`CheckedCocoDataset` with YOLO's rules for boxes.

    Boxes that cannot be trained on (not four finite numbers, negative size, no area, outside the image) are a
    ValueError. Boxes that stick out are clipped, rows that repeat class and box are dropped, images without a box stay,
    as background.

    Args:
        batch_shapes: In test mode, evaluate in the order of aspect ratio and give each image the `batch_shape`
            (h, w) that `RectLetterbox` pads it to: dict of `batch_size`, `size`, `stride` and `pad`, see
            `padded_shapes`. None: neither.
        bad_boxes: What to do with boxes that cannot be trained on: 'error', or 'skip' with one warning.
    """
    malformed_boxes_are_errors = False  # but by `bad_boxes`

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
        self._bad: list[BadBox] = []
        self._num_duplicates = 0
        data_list = super().load_data_list()
        self._report()
        del self._bad, self._num_duplicates
        return data_list

    def read_image(self, image: dict, annotations: Sequence[dict]) -> dict:
        instances = read_instances(annotations, image, self.cat2label)
        self._bad.extend(instances.bad)
        self._num_duplicates += instances.num_duplicates
        return dict(super().read_image(image, ()), instances=instances.kept)

    def filter_data(self) -> list[dict]:
        data_list = super().filter_data()
        if not (self.test_mode and self.batch_shapes is not None):
            return data_list
        data_list = sorted(data_list, key=_aspect_ratio)
        shapes = padded_shapes([_aspect_ratio(data) for data in data_list], **self.batch_shapes)
        return [dict(data, batch_shape=shape) for data, shape in zip(data_list, shapes, strict=True)]

    def _report(self) -> None:
        if self._bad:
            message = (f'{self.ann_file}: {len(self._bad)} annotations have a box that cannot be trained on. '
                       f'The first: {"; ".join(map(str, self._bad[:5]))}')
            if self.bad_boxes == 'error':
                raise ValueError(f"{message}. Correct them, or leave them out with bad_boxes='skip'")
            print_log(f'{message}. They are left out.', logger='current', level=logging.WARNING)
        if self._num_duplicates:
            print_log(f'{self.ann_file}: {self._num_duplicates} annotations repeat the class and the box of another '
                      'one of their image and are left out.', logger='current')


def _aspect_ratio(data: dict) -> float:
    return data['height'] / data['width']
