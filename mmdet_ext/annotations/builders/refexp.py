"""Annotation files of MDETR from RefCOCO, RefCOCO+ and RefCOCOg: one entry, with one box, for each expression.

https://arxiv.org/abs/2104.12763, https://arxiv.org/abs/1608.00272. Layout of the data sets: expressions in a pickle,
``refcoco/refs(unc).p``, beside boxes in COCO's format, ``refcoco/instances.json``.
"""
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import msgspec

from ...text.parsing import Parser, root_spans
from .grounding_file import Pair, box_row, image_row
from .image_lists import load_plain_pickle
from .json_rows import Box, Number, Side, Text, read_json, row_type, wrong_value

REFS = {'refcoco': 'refs(unc).p', 'refcoco+': 'refs(unc).p', 'refcocog': 'refs(umd).p'}
Split = Literal['train', 'val', 'test', 'testA', 'testB']
SPLITS = get_args(Split)

_Image = row_type('_Image', id=int, height=Side, width=Side)
_Annotation = row_type('_Annotation', id=int, bbox=Box, category_id=int, area=Number, iscrowd=int)
_Sentence = row_type('_Sentence', sent=Text)
_Reference = row_type('_Reference', split=Split, image_id=int, ann_id=int, file_name=str, sentences=list[_Sentence])


class _Instances(msgspec.Struct):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[dict] = []


class Expression(NamedTuple):
    """A text that refers to one object of an image."""
    dataset: str
    text: str
    split: str
    image: _Image
    annotation: _Annotation
    file_name: str


def read_refer(root: Path, name: str) -> tuple[list[Expression], list[dict]]:
    """The expressions of a data set in the order of its file, and the categories of its boxes.

    A ValueError names the file, and the reference that is broken or whose annotation or image instances.json lacks.
    """
    if name not in REFS:
        raise ValueError(f'the data set must be one of {tuple(REFS)}, got {name!r}')
    refs_path, instances_path = root / name / REFS[name], root / name / 'instances.json'
    references = load_plain_pickle(refs_path)
    if not isinstance(references, list):
        raise ValueError(f'{refs_path} should hold a list of references, got {type(references).__name__}')
    instances = read_json(instances_path, _Instances)
    images = {row.id: row for row in instances.images}
    annotations = {row.id: row for row in instances.annotations}
    expressions = []
    for number, content in enumerate(references):
        location = f'{refs_path}: reference {number}'
        try:
            ref = msgspec.convert(content, _Reference)
        except msgspec.ValidationError as error:
            raise wrong_value(error, content, location) from error
        for key, table in (('image_id', images), ('ann_id', annotations)):
            if getattr(ref, key) not in table:
                raise ValueError(f'{location}: {key} {getattr(ref, key)} is not in {instances_path}')
        stem, underscore, _ = ref.file_name.rpartition('_')
        if not underscore:
            raise ValueError(f'{location}: file_name should be IMAGE_NUMBER.jpg, got {ref.file_name!r}')
        expressions += [Expression(name, sentence.sent, ref.split, images[ref.image_id], annotations[ref.ann_id],
                                   f'{stem}.jpg') for sentence in ref.sentences]
    return expressions, instances.categories


def safe_images(expressions: Collection[Expression]) -> set[str]:
    """The ids of the images that are in no validation or test split."""
    unsafe = {expression.image.id for expression in expressions if expression.split != 'train'}
    return {str(expression.image.id) for expression in expressions if expression.image.id not in unsafe}


def refexp_pairs(expressions: Iterable[Expression], parser: Parser, counts: Counter, *, split: str,
                 safe: Collection[str] | None = None) -> Iterator[Pair]:
    """Images with the expressions of a split, and boxes; only of the images with the ids `safe`, if these are given.

    Expressions that the parser does not parse are taken as a whole. `counts` gets how many there are, are dropped, and
    are tied to the words of their root.
    """
    of_split = [expression for expression in expressions if expression.split == split]
    kept = [expression for expression in of_split if safe is None or str(expression.image.id) in safe]
    counts.update(images=len({expression.image.id for expression in kept}), dropped=len(of_split) - len(kept))
    parses = parser(expression.text for expression in kept)
    for (dataset, text, _, image, row, file_name), words in zip(kept, parses, strict=True):
        spans = [[0, len(text)]] if words is None else root_spans(text, words)
        counts['whole texts' if spans == [[0, len(text)]] else 'roots'] += 1
        yield image_row(file_name, (image.height, image.width), text, dataset, original_id=row.id), [
            box_row(row.bbox, spans, area=row.area, iscrowd=row.iscrowd, category_id=row.category_id)]
