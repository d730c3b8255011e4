"""The annotation files that MDETR was published with: pairs of picture and caption, boxes tied to parts of the caption.

https://arxiv.org/abs/2104.12763
"""
import logging
from collections import defaultdict
from typing import Any

from mmdet.datasets import BaseDetDataset
from mmdet.registry import DATASETS
from mmengine.fileio import join_path, load
from mmengine.logging import print_log

from .coco_checks import BadBox, clip_box
from .grounding_checks import Spans, check_tables, picture_folder, positive_spans, size_of, span_problem

# Fields of an image that turn into others, or that nobody uses.
_CONSUMED = ('id', 'caption', 'file_name', 'height', 'width', 'tokens_negative', 'tokens_positive_eval')


@DATASETS.register_module()
class MDETRDataset(BaseDetDataset):
    """One item per image-caption pair of a json file in MDETR's format (Flickr, mixed, RefCOCO, GQA, LVIS...).

    An item has the caption as `text`, and for each box of `instances` the spans [begin, end) of characters that name it
    in `gt_tokens_positive` (CLEVR's `tokens` too). Labels are 0. Further fields of the image (`dataset_name`,
    `tokens_positive_eval`, `sentence_id`, `original_id`, `answer`, ...) are kept as they are, `tokens_negative` aside.
    Pairs without a box stay: they teach "no object". Boxes are clipped to the picture; crowds, and boxes of which
    nothing is left, are dropped with their spans.

    Args:
        data_prefix: Folder of the pictures as `img`. Pictures of several folders have a `data_source` in the file, such
            as 'coco' or 'vg', and may have a folder of that name: `dict(coco='train2014/', vg='vg/images/')`.
        bad_spans: What to do with spans outside their caption or reversed: 'error', or 'skip' with one warning.

    Raises:
        ValueError: For ids that are not unique, a pair without caption, size or folder, a box without spans, a span
            outside its caption; naming file, image, annotation and value.
    """
    METAINFO = dict(classes=('object', ), palette=[(220, 20, 60)])

    def __init__(self, *args: Any, bad_spans: str = 'error', **kwargs: Any) -> None:
        if bad_spans not in ('error', 'skip'):
            raise ValueError(f"bad_spans must be 'error' or 'skip', got {bad_spans!r}")
        self.bad_spans = bad_spans
        super().__init__(*args, **kwargs)

    def load_data_list(self) -> list[dict]:
        content = load(self.ann_file, file_format='json', backend_args=self.backend_args)
        check_tables(content, self.ann_file)
        rows = defaultdict(list)
        for annotation in content.get('annotations', ()):
            if not annotation.get('iscrowd', 0):
                rows[annotation['image_id']].append(annotation)
        data_list, bad_boxes, bad_spans, seen = [], [], [], set()
        for image in content['images']:
            if image['id'] in seen:
                raise ValueError(f'{self.ann_file}: images has the id {image["id"]} twice')
            seen.add(image['id'])
            data_list.append(self._read_pair(image, rows[image['id']], bad_boxes, bad_spans))
        self._warn('boxes without area inside their picture', bad_boxes)
        self._warn('spans outside their caption or reversed', bad_spans)
        return data_list

    def _read_pair(self, image: dict, rows: list[dict], bad_boxes: list[BadBox], bad_spans: list[str]) -> dict:
        """One item; what is left out is added to the last two."""
        where = f'{self.ann_file}: image {image["id"]}'
        caption = image.get('caption')
        if not isinstance(caption, str):
            raise ValueError(f'{where} has no caption, got {caption!r}')
        size = size_of(image)
        if size is None:
            raise ValueError(f'{where} has width {image.get("width")!r} and height {image.get("height")!r}')
        folder = picture_folder(image, self.data_prefix)
        if folder is None:
            raise ValueError(f'{where} has the data_source {image.get("data_source")!r}, and data_prefix has neither '
                             f"that nor 'img': {self.data_prefix}")
        item = {key: value for key, value in image.items() if key not in _CONSUMED}
        item.update(img_id=image['id'], img_path=join_path(folder, image['file_name']), width=size[0], height=size[1],
                    text=caption, instances=[], gt_tokens_positive=[])
        for row in rows:
            own = f'{where}, annotation {row["id"]}'
            spans = positive_spans(row)
            if spans is None:
                raise ValueError(f'{own} has neither tokens_positive nor tokens')
            spans = self._checked(spans, caption, own, bad_spans)
            box, problem = clip_box(row.get('bbox'), *size)
            if problem:
                bad_boxes.append(BadBox(row['id'], image['file_name'], row.get('bbox'), problem))
                continue
            instance = dict(bbox=box, bbox_label=0, ignore_flag=0)
            if row.get('segmentation'):
                instance['mask'] = row['segmentation']
            item['instances'].append(instance)
            item['gt_tokens_positive'].append(spans)
        if 'tokens_positive_eval' in image:
            item['tokens_positive_eval'] = [self._checked(spans, caption, f'{where}, tokens_positive_eval {place}',
                                                          bad_spans)
                                            for place, spans in enumerate(image['tokens_positive_eval'])]
        return item

    def _checked(self, spans: Spans, caption: str, where: str, bad_spans: list[str]) -> Spans:
        """The spans that lie inside the caption."""
        good = []
        for span in spans:
            problem = span_problem(span, caption)
            if not problem:
                good.append(span)
            elif self.bad_spans == 'error':
                raise ValueError(f"{where}: {problem}. Correct it, or leave such spans out with bad_spans='skip'")
            else:
                bad_spans.append(f'{where}: {problem}')
        return good

    def _warn(self, what: str, found: list) -> None:
        if found:
            print_log(f'{self.ann_file}: {len(found)} {what} are left out. The first: {"; ".join(map(str, found[:5]))}',
                      logger='current', level=logging.WARNING)
