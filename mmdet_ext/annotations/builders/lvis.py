"""One prompt per image and class, from a file of LVIS or COCO, or from a part of its images with rare classes first.

MDETR, https://arxiv.org/abs/2104.12763, section 4.3
"""
import random
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from ...text.prompts import prompt_text
from ..annotation_file import check_coco
from ..coco_checks import BadBox, clip_box
from .grounding_file import Pair, box_row, image_row
from .json_rows import read_json

# One of so many images is chosen for a class that it does not show.
NEGATIVE_EVERY = 10
# The fields that are read: all but masks, which are most of LVIS's gigabyte. `check_coco` looks at the others.
_IDS = dict(neg_category_ids=list[int], not_exhaustive_category_ids=list[int])
_Image = TypedDict('_Image', dict.fromkeys(('id', 'width', 'height', 'file_name', 'coco_url'), Any) | _IDS, total=False)
_Annotation = TypedDict('_Annotation', dict.fromkeys(('id', 'image_id', 'category_id', 'bbox', 'area', 'iscrowd'), Any),
                        total=False)


class _CocoFile(TypedDict, total=False):
    images: list[_Image]
    categories: Any
    annotations: list[_Annotation]


class ImageClasses(NamedTuple):
    """Classes that an image shows, those of which not all objects are boxed, and those known to be absent."""
    present: Collection[int]
    inexhaustive: Collection[int]
    absent: Collection[int]


class AskedImage(NamedTuple):
    """An image, its usable annotations by class, and the other classes that it is asked for."""
    image: dict
    rows: dict[int, list[dict]]
    absent: list[int]


class Prompts(NamedTuple):
    """What to ask for."""
    images: list[AskedImage]  # those that were chosen
    captions: dict[int, str]  # prompt of each class
    counts: Counter  # of images, crowds and bad boxes
    bad: list[BadBox]  # annotations that are left out because of their boxes

    def shared(self) -> list[str]:
        """Prompts that several classes have in common."""
        return sorted(name for name, count in Counter(self.captions.values()).items() if count > 1)


def read_coco(file: Path) -> dict:
    """The content of an annotation file, without masks, which are most of LVIS's gigabyte."""
    return read_json(file, _CocoFile)


def make_prompts(content: dict, file: str, *, fraction: float = 1., seed: int = 42,
                 negatives: int | None = None) -> Prompts:
    """Ask each image for each of its classes, and for some that it does not show.

    Classes that it does not show are LVIS's `neg_category_ids`, or drawn for each image by its id and the seed. Classes
    of which an image has only crowds, or boxes without area in it, are not asked for there.

    Args:
        content: Of an annotation file of LVIS or COCO; completed by `check_coco`.
        file: Its name, for errors.
        fraction: Which part of the images to choose, see `balanced_subset`; by the seed as well.
        negatives: How many classes to draw for each image of a file without `neg_category_ids`.

    Raises:
        ValueError: If `check_coco` refuses the file, names leave nothing to ask for, or `negatives` do not fit it.
    """
    check_coco(content, file, check_boxes=False, file_names=False)
    captions = {}
    for category in content['categories']:
        try:
            captions[category['id']] = prompt_text(category['name'])
        except ValueError as error:
            raise ValueError(f'{file}: category {category["id"]}: {error}') from error
    images = {image['id']: image for image in content['images']}
    _check_images(images.values(), captions.keys(), file)
    rows, annotated, num_crowds, bad = _sort_annotations(content['annotations'], images)
    if not any(rows.values()):
        raise ValueError(f'{file} has no box to ask for')
    absent = {id_: sorted(set(image.get('neg_category_ids', ())) - annotated[id_]) for id_, image in images.items()}
    if negatives is not None:
        if negatives < 0:
            raise ValueError(f'negatives should be 0 or more, got {negatives}')
        if known := [id_ for id_, classes in absent.items() if classes]:
            raise ValueError(f'negatives={negatives}: {file} has its own, neg_category_ids of image {known[0]}: the '
                             'classes that it does not name there are not known to be absent')
        for id_ in images:
            others = sorted(captions.keys() - annotated[id_])
            absent[id_] = sorted(random.Random(f'{seed}-{id_}').sample(others, min(negatives, len(others))))
    classes = {id_: ImageClasses(rows[id_].keys(), image.get('not_exhaustive_category_ids', ()), absent[id_])
               for id_, image in images.items()}
    chosen = set(balanced_subset(classes, list(captions), fraction, seed))
    counts = Counter({'images': len(chosen), 'left out: crowds': num_crowds, 'left out: bad boxes': len(bad)})
    return Prompts([AskedImage(image, rows[id_], absent[id_]) for id_, image in images.items() if id_ in chosen],
                   captions, counts, bad)


def prompt_pairs(images: Iterable[AskedImage], captions: dict[int, str], dataset_name: str = 'lvis') -> Iterator[Pair]:
    """Images with prompts as captions; all boxes of the class in the image are tied to the whole prompt."""
    for image, rows, absent in images:
        url = {key: image[key] for key in ('coco_url', ) if key in image}
        for class_ in [*sorted(rows), *absent]:
            caption = captions[class_]
            yield image_row(_file_name(image), (image['height'], image['width']), caption, dataset_name,
                            original_id=image['id'], **url), [
                box_row(row['bbox'], [[0, len(caption)]], **{key: row[key] for key in ('area', ) if key in row})
                for row in rows.get(class_, ())]


def _check_images(images: Iterable[dict], known: Collection[int], file: str) -> None:
    for image in images:
        if not ('file_name' in image or 'coco_url' in image):
            raise ValueError(f'{file}: image {image["id"]} has neither file_name nor coco_url')
        for key in _IDS:
            if unknown := sorted({*image.get(key, ())} - known):
                raise ValueError(f'{file}: image {image["id"]} has {unknown} in {key}, which are no categories of the '
                                 'file')


def _sort_annotations(annotations: Iterable[dict], images: dict[int, dict]) -> tuple[
        dict[int, dict[int, list[dict]]], dict[int, set[int]], int, list[BadBox]]:
    """Of each image its usable annotations by class and the classes of all; the number of crowds; the bad boxes."""
    rows, annotated, num_crowds, bad = {id_: {} for id_ in images}, {id_: set() for id_ in images}, 0, []
    for row in annotations:
        image, class_ = images[row['image_id']], row['category_id']
        annotated[image['id']].add(class_)
        if row.get('iscrowd', 0):
            num_crowds += 1
        elif problem := clip_box(row.get('bbox'), image['width'], image['height'])[1]:
            bad.append(BadBox(row['id'], _file_name(image), row.get('bbox'), problem))
        else:
            rows[image['id']].setdefault(class_, []).append(row)
    return rows, annotated, num_crowds, bad


def _file_name(image: dict) -> str:
    """The file's own, or folder and name at the end of LVIS's address: 'train2017/000000000100.jpg'."""
    return image['file_name'] if 'file_name' in image else '/'.join(image['coco_url'].split('/')[-2:])


def balanced_subset(images: Mapping[int, ImageClasses], classes: Sequence[int], fraction: float,
                    seed: int = 42) -> list[int]:
    """Choose a fraction of the images, one after another, for the class that was chosen least so far.

    Every tenth is chosen for a class that it does not show. An image counts for the classes whose objects it boxes
    exhaustively; a class of which no image does so counts with all of its images.

    Returns sorted ids, `int(len(images) * fraction)`, or fewer if the other images neither show nor lack a class. The
    seed decides among the images of a class.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f'fraction should be above 0 and at most 1, got {fraction}')
    if fraction == 1:
        return sorted(images)
    showing, exhaustive, lacking = ({class_: [] for class_ in classes} for _ in range(3))
    for image, (present, inexhaustive, absent) in images.items():
        for table, members in ((showing, present), (exhaustive, set(present) - set(inexhaustive)), (lacking, absent)):
            for class_ in members:
                table[class_].append(image)
    order = sorted(classes, key=lambda class_: (len(showing[class_]), class_), reverse=True)
    positive = _Pool({class_: exhaustive[class_] or showing[class_] for class_ in classes}, order)
    negative = _Pool(lacking, order)
    generator, chosen = random.Random(seed), []
    for step in range(int(len(images) * fraction)):
        first, second = (negative, positive) if step % NEGATIVE_EVERY == 0 else (positive, negative)
        choices = first.choices() or second.choices()
        if not choices:
            break
        chosen.append(generator.choice(choices))
        positive.take(chosen[-1])
        negative.take(chosen[-1])
    return sorted(chosen)


class _Pool:
    """Images that may still be chosen for a class, and how many were chosen for each class."""

    def __init__(self, images_of: Mapping[int, Collection[int]], order: Sequence[int]) -> None:
        self._left = {class_: sorted(images_of[class_]) for class_ in reversed(order)}
        self._counts = Counter()
        self._classes_of: dict[int, list[int]] = {}
        for class_, images in self._left.items():
            for image in images:
                self._classes_of.setdefault(image, []).append(class_)

    def choices(self) -> Sequence[int]:
        """The images of the class that was chosen least; the last in the order among equals; none if none is left."""
        open_classes = [class_ for class_, images in self._left.items() if images]
        return self._left[min(open_classes, key=self._counts.__getitem__)] if open_classes else ()

    def take(self, image: int) -> None:
        for class_ in self._classes_of.get(image, ()):
            self._left[class_].remove(image)
            self._counts[class_] += 1
