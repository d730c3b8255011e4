"""One prompt per picture and class, from a file of LVIS or COCO (https://arxiv.org/abs/2104.12763, section 4.3)."""
import json
import random
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from ...models.layers.prompt_text import prompt_text
from ..annotation_file import check_coco
from ..coco_checks import BadBox, clip_box
from .balanced_subset import ImageClasses, balanced_subset
from .grounding_file import GroundingFile


class Report(NamedTuple):
    """What became of an annotation file.

    num_images: Pictures that were chosen.
    num_positive, num_negative: Prompts with and without boxes.
    num_boxes: Boxes of these prompts.
    num_crowds: Annotations of the whole file that are left out as crowds.
    bad: Those left out because of their boxes.
    shared: Prompts that several classes have in common.
    """
    num_images: int
    num_positive: int
    num_negative: int
    num_boxes: int
    num_crowds: int
    bad: list[BadBox]
    shared: list[str]


class _Picture(NamedTuple):
    """A picture's usable annotations by class, its classes with any annotation at all, and what is known of classes."""
    rows: dict[int, list[dict]]
    annotated: set[int]
    classes: ImageClasses


def read_annotations(file: Path) -> dict:
    """The content of an annotation file, read whole but without masks, which are most of LVIS's gigabyte.

    Raises:
        ValueError: If it is no JSON, or no annotation file.
    """

    def without_mask(row: dict) -> dict:
        row.pop('segmentation', None)
        return row

    try:
        content = json.loads(file.read_bytes(), object_hook=without_mask)
    except ValueError as error:
        raise ValueError(f'{file} is no JSON: {error}') from error
    if not isinstance(content, dict):
        raise ValueError(f'{file} is no COCO annotation file')
    return content


def build_prompts(content: dict, file: str, out: GroundingFile, *, fraction: float = 1., seed: int = 42,
                  negatives: int | None = None, dataset_name: str = 'lvis',
                  on_image: Callable[[], object] = lambda: None) -> Report:
    """Ask each picture for each of its classes, and for some that it does not show.

    The caption is the name of the class as `prompt_text` has it, and all boxes of the class in the picture are tied to
    the whole of it. Classes that it does not show are LVIS's `neg_category_ids`, or drawn for each picture by its id
    and the seed. Classes of which a picture has only crowds, or boxes without area in it, are not asked for there.

    Args:
        content: Of an annotation file of LVIS or COCO; not changed.
        file: Its name, for errors.
        out: Where the prompts go.
        fraction: Which part of the pictures to choose, see `balanced_subset`.
        seed: Of that choice, and of the classes that are drawn.
        negatives: How many classes to draw for each picture of a file without `neg_category_ids`.
        dataset_name: Written to each prompt.
        on_image: Called after each picture that was chosen.

    Raises:
        ValueError: If tables are missing, ids are not unique or name nothing, names leave nothing to ask for, or
            `negatives` is negative or given for a file that has its own.
    """
    check_coco(content, file, check_boxes=False, file_names=False)
    captions = _captions(content['categories'], file)
    pictures, num_crowds, bad = _sort_out(content, captions, file)
    if negatives is not None:
        pictures = _draw_negatives(pictures, sorted(captions), negatives, seed, file)
    chosen = set(balanced_subset({id_: own.classes for id_, own in pictures.items()}, list(captions), fraction, seed))
    num_positive, images_before, boxes_before = 0, out.num_images, out.num_annotations
    for image in content['images']:
        if image['id'] not in chosen:
            continue
        picture = pictures[image['id']]
        for class_ in [*sorted(picture.rows), *sorted(picture.classes.absent)]:
            span = [0, len(captions[class_])]
            kept = {key: image[key] for key in ('coco_url', ) if key in image}
            out.add(
                dict(file_name=_file_name(image, file), height=image['height'], width=image['width'],
                     original_id=image['id'], **kept, caption=captions[class_], tokens_negative=[span],
                     dataset_name=dataset_name),
                [dict(area=row.get('area', row['bbox'][2] * row['bbox'][3]), iscrowd=0, category_id=1, bbox=row['bbox'],
                      tokens_positive=[span]) for row in picture.rows.get(class_, ())])
        num_positive += len(picture.rows)
        on_image()
    shared = sorted(name for name, count in Counter(captions.values()).items() if count > 1)
    return Report(len(chosen), num_positive, out.num_images - images_before - num_positive,
                  out.num_annotations - boxes_before, num_crowds, bad, shared)


def _captions(categories: Sequence[dict], file: str) -> dict[int, str]:
    """The prompt of each class."""
    captions = {}
    for category in categories:
        try:
            captions[category['id']] = prompt_text(category['name'])
        except ValueError as error:
            raise ValueError(f'{file}: category {category["id"]}: {error}') from error
    return captions


def _sort_out(content: dict, known: Collection[int], file: str) -> tuple[dict[int, _Picture], int, list[BadBox]]:
    """Pictures by id, the number of crowds, and the boxes that cannot be used."""
    images = {image['id']: image for image in content['images']}
    rows, annotated = ({id_: {} for id_ in images}, {id_: set() for id_ in images})
    num_crowds, bad = 0, []
    for row in content.get('annotations', ()):
        image = images[row['image_id']]
        annotated[image['id']].add(row['category_id'])
        if row.get('iscrowd', 0):
            num_crowds += 1
            continue
        _, problem = clip_box(row.get('bbox'), image['width'], image['height'])
        if problem:
            bad.append(BadBox(row['id'], _file_name(image, file), row.get('bbox'), problem))
        else:
            rows[image['id']].setdefault(row['category_id'], []).append(row)
    pictures = {}
    for id_, image in images.items():
        lists = {}
        for key in ('neg_category_ids', 'not_exhaustive_category_ids'):
            lists[key] = frozenset(image.get(key, ()))
            if unknown := sorted(lists[key] - set(known)):
                raise ValueError(f'{file}: image {id_} has {unknown} in {key}, which are no categories of the file')
        classes = ImageClasses(frozenset(rows[id_]), lists['not_exhaustive_category_ids'],
                               lists['neg_category_ids'] - annotated[id_])
        pictures[id_] = _Picture(rows[id_], annotated[id_], classes)
    if not any(picture.rows for picture in pictures.values()):
        raise ValueError(f'{file} has no box to ask for')
    return pictures, num_crowds, bad


def _draw_negatives(pictures: dict[int, _Picture], classes: Sequence[int], count: int, seed: int,
                    file: str) -> dict[int, _Picture]:
    """For each picture `count` of the classes that it does not show, or all of them if there are fewer."""
    if count < 0:
        raise ValueError(f'negatives should be 0 or more, got {count}')
    drawn = {}
    for id_, picture in pictures.items():
        if picture.classes.absent:
            raise ValueError(f'negatives={count}: {file} has its own, neg_category_ids of image {id_}: the classes '
                             'that it does not name there are not known to be absent')
        absent = [class_ for class_ in classes if class_ not in picture.annotated]
        own = random.Random(f'{seed}-{id_}').sample(absent, min(count, len(absent)))
        drawn[id_] = picture._replace(classes=picture.classes._replace(absent=frozenset(own)))
    return drawn


def _file_name(image: dict, file: str) -> str:
    """The file's own, or folder and name at the end of LVIS's address: 'train2017/000000000100.jpg'."""
    if 'file_name' in image:
        return image['file_name']
    if 'coco_url' in image:
        return '/'.join(image['coco_url'].split('/')[-2:])
    raise ValueError(f'{file}: image {image["id"]} has neither file_name nor coco_url')
