"""The files of RefCOCO, RefCOCO+ and RefCOCOg: expressions in a pickle, boxes in COCO's format.

https://arxiv.org/abs/1608.00272; layout: ``refcoco/refs(unc).p`` beside ``refcoco/instances.json``.
"""
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .plain_pickle import load_plain_pickle

REFS = {'refcoco': 'refs(unc).p', 'refcoco+': 'refs(unc).p', 'refcocog': 'refs(umd).p'}
SPLITS = ('train', 'val', 'test', 'testA', 'testB')
_FIELDS = ('split', 'image_id', 'ann_id', 'file_name', 'sentences')


class Expression(NamedTuple):
    """A text that refers to one object of a picture."""
    text: str
    split: str
    image: dict  # row of instances.json
    annotation: dict  # row of instances.json
    file_name: str


class ReferFiles(NamedTuple):
    """A data set: its name, its expressions in the order of the file, and the categories of its boxes."""
    name: str
    expressions: list[Expression]
    categories: list[dict]

    def splits(self) -> list[str]:
        found = {expression.split for expression in self.expressions}
        return [split for split in SPLITS if split in found]

    def of(self, split: str) -> list[Expression]:
        return [expression for expression in self.expressions if expression.split == split]


def read_refer(root: Path, name: str) -> ReferFiles:
    """Read the files of a data set, both of moderate size, whole.

    Raises:
        ValueError: If a file is damaged, a reference lacks a field, has a split that is none of `SPLITS`, or names an
            annotation or a picture that instances.json does not have; names file and reference.
    """
    if name not in REFS:
        raise ValueError(f'the data set must be one of {tuple(REFS)}, got {name!r}')
    refs_path, instances_path = root / name / REFS[name], root / name / 'instances.json'
    refs = load_plain_pickle(refs_path)
    if not isinstance(refs, list):
        raise ValueError(f'{refs_path} should hold a list of references, got {type(refs).__name__}')
    images, annotations, categories = _read_instances(instances_path)
    expressions = []
    for place, ref in enumerate(refs):
        where = f'{refs_path}: reference {place}'
        expressions += _expressions(ref, where, images, annotations, instances_path)
    return ReferFiles(name, expressions, categories)


def safe_images(datasets: Iterable[ReferFiles]) -> set[str]:
    """The ids of the pictures that are in no validation or test split of any of the data sets."""
    splits = {}
    for expression in (expression for files in datasets for expression in files.expressions):
        splits.setdefault(str(expression.image['id']), set()).add(expression.split)
    return {image for image, own in splits.items() if own == {'train'}}


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise ValueError(f'{path} is no json: {error}') from error


def _read_instances(path: Path) -> tuple[dict[int, dict], dict[int, dict], list[dict]]:
    """Rows of images and annotations by their id, and the categories."""
    content = _read_json(path)
    fields = dict(images=('id', 'height', 'width'), annotations=('id', 'bbox', 'category_id', 'area', 'iscrowd'))
    tables = []
    for table, names in fields.items():
        if not (isinstance(content, dict) and isinstance(content.get(table), list)):
            raise ValueError(f'{path}: {table!r} is missing: it is no file of COCO')
        for place, row in enumerate(content[table]):
            if missing := [name for name in names if name not in row]:
                raise ValueError(f'{path}: row {place} of {table} has no {" and no ".join(missing)}')
        tables.append({row['id']: row for row in content[table]})
    return tables[0], tables[1], content.get('categories', [])


def _expressions(ref: Any, where: str, images: dict[int, dict], annotations: dict[int, dict],
                 instances: Path) -> Iterator[Expression]:
    if not isinstance(ref, dict):
        raise ValueError(f'{where} should be a dict, got {ref!r}')
    if missing := [name for name in _FIELDS if name not in ref]:
        raise ValueError(f'{where} has no {" and no ".join(missing)}')
    where += f' (ann_id {ref["ann_id"]})'
    if ref['split'] not in SPLITS:
        raise ValueError(f'{where}: the split should be one of {SPLITS}, got {ref["split"]!r}')
    for key, table in (('image_id', images), ('ann_id', annotations)):
        if ref[key] not in table:
            raise ValueError(f'{where}: {key} {ref[key]!r} is not in {instances}')
    if not isinstance(ref['sentences'], list):
        raise ValueError(f'{where}: sentences should be a list, got {ref["sentences"]!r}')
    stem, dash, _ = str(ref['file_name']).rpartition('_')
    if not dash:
        raise ValueError(f'{where}: file_name should be PICTURE_NUMBER.jpg, got {ref["file_name"]!r}')
    for sentence in ref['sentences']:
        text = sentence.get('sent') if isinstance(sentence, dict) else None
        if not (isinstance(text, str) and text.strip()):
            raise ValueError(f'{where} has a sentence without words, its sent is {text!r}')
        yield Expression(text, ref['split'], images[ref['image_id']], annotations[ref['ann_id']], f'{stem}.jpg')
