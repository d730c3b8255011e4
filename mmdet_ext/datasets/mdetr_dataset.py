"""Data set of MDETR's annotation files: pairs of image and caption, and boxes that parts of the caption name.

https://arxiv.org/abs/2104.12763
"""
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, ClassVar

from mmdet.datasets import BaseDetDataset
from mmdet.registry import DATASETS
from mmengine.fileio import BaseStorageBackend, get_file_backend
from mmengine.logging import print_log

from ..annotations.annotation_file import check_grounding, check_masks
from ..annotations.annotation_json import load_json
from ..annotations.coco_checks import BadBox, clip_box
from ..annotations.grounding_checks import image_folder, positive_spans, span_problem
from ..annotations.mask_checks import mask_problem
from ..text.spans import Spans
from .shared_items import SharedItems, mask_readers

# Fields of an image that turn into others, or that nobody uses.
_CONSUMED = ('id', 'caption', 'file_name', 'height', 'width', 'tokens_negative', 'tokens_positive_eval')


@DATASETS.register_module()
class MDETRDataset(SharedItems, BaseDetDataset):
    """One item per image-caption pair of a json file in MDETR's format (Flickr, mixed, RefCOCO, GQA, LVIS...).

    An item has the caption as `text`, and for each box of `instances` the spans [begin, end) of characters that name it
    in `gt_tokens_positive` (CLEVR's `tokens` too). Labels are 0. Further fields of the image (`dataset_name`,
    `tokens_positive_eval`, `sentence_id`, `original_id`, `answer`, ...) are kept as they are, except `tokens_negative`.
    Pairs without a box are kept: the model learns "no object" from them. An empty caption is kept, and so is a box
    whose spans have no token, such as a single space: the model then learns only the position of the box.
    ``tools/data/check_grounding.py`` lists both. Boxes are clipped to the image; crowds, and boxes of which nothing is
    left, are dropped with their spans.

    Args:
        data_prefix: Folder of the images as `img`. Images of several folders have a `data_source` in the file, such
            as 'coco' or 'vg', and may have a folder of that name: `dict(coco='train2014/', vg='vg/images/')`.
        bad_spans: What to do with spans outside their caption or reversed: 'error', or 'skip' with one warning.
        with_mask: Whether each box must have a mask, `segmentation`, as `LoadAnnotations(with_mask=True)` needs.
        bad_masks: What to do then with boxes whose mask is missing, empty or broken: 'error', or 'skip', which leaves
            them out with their spans and one warning.

    Raises:
        ValueError: For what `annotation_file.check_grounding` finds, a pair without caption or folder, a box without
            spans, a span outside its caption, a bad mask; naming file, image, annotation and value.
    """
    METAINFO: ClassVar[dict] = dict(classes=('object', ), palette=[(220, 20, 60)])

    def __init__(self, *args: Any, bad_spans: str = 'error', with_mask: bool = False, bad_masks: str = 'error',
                 **kwargs: Any) -> None:
        for name, value in dict(bad_spans=bad_spans, bad_masks=bad_masks).items():
            if value not in ('error', 'skip'):
                raise ValueError(f"{name} must be 'error' or 'skip', got {value!r}")
        self.bad_spans = bad_spans
        self.with_mask = with_mask
        self.bad_masks = bad_masks
        super().__init__(*args, **kwargs)

    def load_data_list(self) -> list[dict]:
        content = self._read_content()
        check_grounding(content, self.ann_file)
        if not self.with_mask and (readers := mask_readers(self.pipeline.transforms)):
            check_masks(content, self.ann_file, needed='LoadAnnotations' in readers)
        rows = defaultdict(list)
        for annotation in content.pop('annotations'):
            if not annotation['iscrowd']:
                rows[annotation['image_id']].append(annotation)
        items = content['images']
        bad_boxes, bad_spans, bad_masks = [], [], []
        for index, image in enumerate(items):
            # in the place of what it is made from: of a million pairs there are no two copies
            items[index] = self._read_pair(image, rows.pop(image['id'], ()), bad_boxes, bad_spans, bad_masks)
        self._warn('boxes without area inside their image', bad_boxes)
        self._warn('spans outside their caption or reversed', bad_spans)
        self._warn('boxes without a usable mask', bad_masks)
        return items

    def _read_content(self) -> object:
        """The content of the file, with images and annotations."""
        return load_json(self.ann_file, self.backend_args)

    def _read_pair(self, image: dict, rows: Sequence[dict], bad_boxes: list[BadBox], bad_spans: list[str],
                   bad_masks: list[str]) -> dict:
        """One item. Boxes, spans and masks that are left out are added to the lists `bad_boxes`, `bad_spans` and
        `bad_masks`."""
        caption, size = image.get('caption'), (image['width'], image['height'])
        if not isinstance(caption, str):
            raise ValueError(f'{self._row_name(image)} has no caption, got {caption!r}')
        item = {key: value for key, value in image.items() if key not in _CONSUMED}
        item.update(img_id=image['id'], img_path=self._path(image), width=size[0], height=size[1], text=caption,
                    instances=[], gt_tokens_positive=[])
        for row in rows:
            spans = positive_spans(row)
            if spans is None:
                raise ValueError(f'{self._row_name(image, row)} has neither tokens_positive nor tokens')
            spans = self._checked(spans, caption, lambda row=row: self._row_name(image, row), bad_spans)
            box, problem = clip_box(row['bbox'], *size)
            if problem:
                bad_boxes.append(BadBox(row['id'], image['file_name'], row['bbox'], problem))
                continue
            if self.with_mask and not self._has_good_mask(row, size, self._row_name(image, row), bad_masks):
                continue
            instance = dict(bbox=box, bbox_label=0, ignore_flag=0)
            if row.get('segmentation'):
                instance['mask'] = row['segmentation']
            if 'isfinal' in row:
                instance['isfinal'] = row['isfinal']
            item['instances'].append(instance)
            item['gt_tokens_positive'].append(spans)
        if 'tokens_positive_eval' in image:
            item['tokens_positive_eval'] = [
                self._checked(spans, caption,
                              lambda index=index: f'{self._row_name(image)}, tokens_positive_eval {index}', bad_spans)
                for index, spans in enumerate(image['tokens_positive_eval'])]
        return item

    def _row_name(self, image: dict, row: dict | None = None) -> str:
        name = f'{self.ann_file}: image {image["id"]}'
        return name if row is None else f'{name}, annotation {row["id"]}'

    def _path(self, image: dict) -> str:
        folder = image_folder(image, self.data_prefix)
        if folder is None:
            raise ValueError(f'{self._row_name(image)} has the data_source {image.get("data_source")!r}, and '
                             f"data_prefix has neither that nor 'img': {self.data_prefix}")
        return _backend(folder).join_path(folder, image['file_name'])

    def _checked(self, spans: Spans, caption: str, row_name: Callable[[], str], bad_spans: list[str]) -> Spans:
        """The spans that lie inside the caption."""
        if not isinstance(spans, (list, tuple)):
            raise ValueError(f'{row_name()}: {spans!r} is not a list of spans [begin, end)')
        problems = [span_problem(span, caption) for span in spans]
        if not any(problems):
            return spans
        if self.bad_spans == 'error':
            raise ValueError(f"{row_name()}: {next(filter(None, problems))}. Correct it, or leave such spans out with "
                             "bad_spans='skip'")
        bad_spans += [f'{row_name()}: {problem}' for problem in problems if problem]
        return [span for span, problem in zip(spans, problems) if not problem]

    def _has_good_mask(self, row: dict, size: tuple[int, int], row_name: str, bad_masks: list[str]) -> bool:
        problem = mask_problem(row.get('segmentation'), *size)
        if problem and self.bad_masks == 'error':
            raise ValueError(f"{row_name}: {problem}. Correct it, or leave such boxes out with bad_masks='skip'")
        if problem:
            bad_masks.append(f'{row_name}: {problem}')
        return not problem

    def _warn(self, kind: str, dropped: list) -> None:
        if dropped:
            first = '; '.join(map(str, dropped[:5]))
            print_log(f'{self.ann_file}: {len(dropped)} {kind} are left out. The first: {first}', logger='current',
                      level=logging.WARNING)


@cache
def _backend(folder: str) -> BaseStorageBackend:
    """mmengine's `join_path` looks for it at each call."""
    return get_file_backend(folder, enable_singleton=True)
