"""Captions from the boxes of a COCO annotation file, in the format of MDETR's annotation files."""
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..text.wording import counted
from .coco_checks import BadBox, clip_box

# The caption of an image without objects.
NOTHING = 'nothing'


class Converted(NamedTuple):
    """The content of the new file, and the annotations that are left out because of their boxes."""
    content: dict
    bad: list[BadBox]


def coco_to_grounding(coco: dict, dataset_name: str = 'coco', *,
                      on_image: Callable[[], object] = lambda: None) -> Converted:
    """Give each image the caption that counts its objects, such as 'a person, two dogs and a car'.

    Classes stand in the order of the file's categories, and each object is tied to the words of its class. Crowds, and
    boxes of which nothing lies in the image, are left out. An image without objects has the caption 'nothing'.

    Args:
        coco: Content of a file that `check_coco` finds nothing wrong with; boxes aside.
        dataset_name: Written to each image.
        on_image: Called after each image.
    """
    names = {category['id']: clean_name(category['name']) for category in coco['categories']}
    rows = defaultdict(list)
    for row in coco['annotations']:
        if not row.get('iscrowd'):
            rows[row['image_id']].append(row)
    images, annotations, bad = [], [], []
    for image in coco['images']:
        good_rows = []
        for row in rows[image['id']]:
            _, problem = clip_box(row.get('bbox'), image['width'], image['height'])
            if problem:
                bad.append(BadBox(row['id'], image['file_name'], row.get('bbox'), problem))
            else:
                good_rows.append(row)
        present = [id_ for id_ in names if any(row['category_id'] == id_ for row in good_rows)]
        counts = [(names[id_], sum(row['category_id'] == id_ for row in good_rows)) for id_ in present]
        caption, spans = counting_caption(counts)
        images.append(
            dict(id=image['id'], file_name=image['file_name'], height=image['height'], width=image['width'],
                 original_id=image['id'], caption=caption, dataset_name=dataset_name,
                 tokens_negative=[[0, len(caption)]], tokens_positive_eval=[[span] for span in spans]))
        span_of = dict(zip(present, spans, strict=True))
        annotations += [
            dict(id=row['id'], image_id=image['id'], category_id=1, bbox=row['bbox'],
                 area=row.get('area') or row['bbox'][2] * row['bbox'][3], iscrowd=0,
                 tokens_positive=[span_of[row['category_id']]]) for row in good_rows
        ]
        on_image()
    categories = [dict(id=1, name='object', supercategory='object')]
    return Converted(dict(images=images, annotations=annotations, categories=categories), bad)


def counting_caption(counts: Sequence[tuple[str, int]]) -> tuple[str, list[list[int]]]:
    """[('person', 1), ('dog', 2)] -> 'a person and two dogs', and the span [begin, end) of each."""
    text, spans = '', []
    for index, (name, count) in enumerate(counts):
        if index:
            text += ' and ' if index == len(counts) - 1 else ', '
        words = counted(count, name)
        spans.append([len(text), len(text) + len(words)])
        text += words
    return text or NOTHING, spans


def clean_name(name: str) -> str:
    """'flip-flop_(sandal)' -> 'flip-flop': without LVIS's remarks in brackets and underscores."""
    return ' '.join(re.sub(r'\(.*?\)', '', name).replace('_', ' ').split())
