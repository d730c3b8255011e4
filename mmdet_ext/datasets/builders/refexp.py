"""Annotation files of MDETR from RefCOCO, RefCOCO+ and RefCOCOg: one entry, with one box, for each expression.

https://arxiv.org/abs/2104.12763, https://arxiv.org/abs/1608.00272. Layout of the data sets: expressions in a pickle,
``refcoco/refs(unc).p``, beside boxes in COCO's format, ``refcoco/instances.json``.
"""
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import msgspec

from ...text.parsing import Parser, root_spans
from .grounding_file import Pair, box_row, image_row
from .image_lists import load_plain_pickle
from .json_rows import Box, Number, Side, Text, read_json, wrong_value

REFS = {'refcoco': 'refs(unc).p', 'refcoco+': 'refs(unc).p', 'refcocog': 'refs(umd).p'}
Split = Literal['train', 'val', 'test', 'testA', 'testB']


class _Image(msgspec.Struct):
    id: int
    height: Side
    width: Side


class _Annotation(msgspec.Struct):
    id: int
    bbox: Box
    category_id: int
    area: Number
    iscrowd: int


class _Instances(msgspec.Struct):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[dict] = []


class _Sentence(msgspec.Struct):
    sent: Text


class _Reference(msgspec.Struct):
    """Sentences that refer to one object."""
    split: Split
    image_id: int
    ann_id: int
    file_name: str
    sentences: list[_Sentence]


class Expression(NamedTuple):
    """A text that refers to one object of an image."""
    dataset: str
    text: str
    split: str
    image: _Image
    annotation: _Annotation
    file_name: str


class ReferDataset(NamedTuple):
    """A data set: its name, its expressions in the order of the file, and the categories of its boxes."""
    name: str
    expressions: list[Expression]
    categories: list[dict]

    def splits(self) -> list[str]:
        """The splits that have expressions."""
        present = {expression.split for expression in self.expressions}
        return [split for split in get_args(Split) if split in present]


def read_refer(root: Path, name: str) -> ReferDataset:
    """Read the files of a data set.

    Raises:
        ValueError: If a file is damaged, a reference lacks a field or has one of another type, or names an annotation
            or an image that instances.json does not have; names file and reference.
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
        where = f'{refs_path}: reference {number}'
        try:
            ref = msgspec.convert(content, _Reference)
        except msgspec.ValidationError as error:
            raise wrong_value(error, content, where) from error
        for key, table in (('image_id', images), ('ann_id', annotations)):
            if getattr(ref, key) not in table:
                raise ValueError(f'{where}: {key} {getattr(ref, key)} is not in {instances_path}')
        stem, underscore, _ = ref.file_name.rpartition('_')
        if not underscore:
            raise ValueError(f'{where}: file_name should be IMAGE_NUMBER.jpg, got {ref.file_name!r}')
        expressions += [Expression(name, sentence.sent, ref.split, images[ref.image_id], annotations[ref.ann_id],
                                   f'{stem}.jpg') for sentence in ref.sentences]
    return ReferDataset(name, expressions, instances.categories)


def safe_images(datasets: Iterable[ReferDataset]) -> set[str]:
    """The ids of the images that are in no validation or test split of any of the data sets."""
    expressions = [expression for dataset in datasets for expression in dataset.expressions]
    unsafe = {expression.image.id for expression in expressions if expression.split != 'train'}
    return {str(expression.image.id) for expression in expressions} - set(map(str, unsafe))


def chosen_expressions(datasets: Sequence[ReferDataset], split: str, counts: Counter,
                       safe: Collection[str] | None = None) -> list[Expression]:
    """The expressions of a split of one data set to fine-tune on, or of several to pre-train on.

    Args:
        datasets: Their expressions follow one another.
        split: train, val, test, testA or testB.
        counts: Gets how many expressions and images there are, and how many were dropped.
        safe: Ids of the images to keep; None keeps all.
    """
    expressions = [expression for dataset in datasets for expression in dataset.expressions
                   if expression.split == split]
    chosen = [expression for expression in expressions if safe is None or str(expression.image.id) in safe]
    counts.update(expressions=len(chosen), dropped=len(expressions) - len(chosen),
                  images=len({expression.image.id for expression in chosen}))
    return chosen


def refexp_pairs(expressions: Sequence[Expression], parser: Parser, counts: Counter) -> Iterator[Pair]:
    """Images with their expressions, and boxes.

    Args:
        expressions: As `chosen_expressions` gives them.
        parser: Of expressions; those that it does not parse are taken as a whole.
        counts: Gets how many are tied to the words of their root.
    """
    parses = parser(expression.text for expression in expressions)
    for expression, words in zip(expressions, parses, strict=True):
        text, image, row = expression.text, expression.image, expression.annotation
        spans = [[0, len(text)]] if words is None else root_spans(text, words)
        counts['whole texts' if spans == [[0, len(text)]] else 'roots'] += 1
        yield (image_row(expression.file_name, (image.height, image.width), text, expression.dataset,
                         original_id=row.id),
               [box_row(row.bbox, spans, area=row.area, iscrowd=row.iscrowd, category_id=row.category_id)])
