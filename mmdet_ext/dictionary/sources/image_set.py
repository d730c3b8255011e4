"""The images that features are taken from: a folder, or a data set of a config, by default the one it trains on."""
import json
import os
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.config import Config

from mmdet_ext.fingerprints import digest

SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp')


@dataclass
class ImageSet:
    """Images in a fixed order.

    Args:
        paths: One per image.
        boxes: For each image (b, 4) float32, x1, y1, x2, y2 in pixels, of what is annotated in it but for crowds. None:
            there are no annotations.
    """
    paths: list[str]
    boxes: list[np.ndarray] | None = None

    def digest(self) -> str:
        """Stands for paths and boxes in a fingerprint."""
        return digest([*self.paths, *(self.boxes or ())])


def find_images(cfg: Config | None = None, ann: str | None = None, images: str | None = None) -> ImageSet:
    """The images of an annotation file, of a folder, or else those that a config trains on.

    Args:
        cfg: Config of a detector. Of its annotation files only that of `train_dataloader` is read.
        ann: COCO annotations to take instead.
        images: Folder of `ann`'s images, by default that of the config's training images. Without `ann` all
            images in the folder and below it, in the order of their paths; they have no boxes.

    Raises:
        FileNotFoundError: A file or folder does not exist.
        ValueError: There are no images, a file is no COCO annotation file, or what is named is what the config keeps
            for validation or testing.
    """
    if ann is not None:
        _refuse_held_out_file(cfg, ann)
        folder = images if images is not None else _training_folder(cfg, ann)
        return _read_coco(Path(ann), Path(folder))
    if images is not None:
        _refuse_held_out_folder(cfg, images)
        return _list_folder(Path(images))
    if cfg is None:
        raise ValueError('no images are named: give a config, ann=FILE with images=FOLDER, or images=FOLDER')
    parts = [_read_coco(_ann_file(leaf), _folder(leaf)) for leaf in _training_sets(cfg)]
    return ImageSet([path for part in parts for path in part.paths], [boxes for part in parts for boxes in part.boxes])


def data_sets(loader: dict | None) -> list[dict]:
    """The configs of a dataloader's data sets, taken out of what wraps or concatenates them."""
    leaves, waiting = [], [loader['dataset']] if loader and loader.get('dataset') else []
    while waiting:
        node = waiting.pop(0)
        inner = [*([node['dataset']] if 'dataset' in node else []), *node.get('datasets', ())]
        waiting = inner + waiting
        leaves += [] if inner else [node]
    return leaves


def evaluation_pipeline(cfg: Config) -> list[dict]:
    """The steps of the validation or test data set's pipeline, but for those that load annotations; [] for none."""
    leaves = [leaf for split in ('val', 'test') for leaf in data_sets(cfg.get(f'{split}_dataloader'))]
    steps = next((leaf['pipeline'] for leaf in leaves if leaf.get('pipeline')), [])
    return [deepcopy(step) for step in steps if not _loads_annotations(step['type'])]


def _loads_annotations(kind: str | type) -> bool:
    name = kind.rpartition('.')[2] if isinstance(kind, str) else kind.__name__
    return (name.startswith('Load') and not name.startswith('LoadImage')) or name == 'FilterAnnotations'


def _training_sets(cfg: Config) -> list[dict]:
    leaves = data_sets(cfg.get('train_dataloader'))
    if not leaves or not all(leaf.get('ann_file') for leaf in leaves):
        raise ValueError(f'{cfg.filename}: train_dataloader.dataset names no annotation file: say which images to '
                         'take with ann=FILE and images=FOLDER')
    return leaves


def _ann_file(leaf: dict) -> Path:
    return Path(leaf.get('data_root') or '', leaf['ann_file'])  # an absolute ann_file stands for itself


def _folder(leaf: dict) -> Path:
    return Path(leaf.get('data_root') or '', (leaf.get('data_prefix') or {}).get('img', ''))


def _training_folder(cfg: Config | None, ann: str) -> Path:
    folders = {_folder(leaf) for leaf in data_sets(cfg.get('train_dataloader'))} if cfg is not None else set()
    if len(folders) != 1:
        raise ValueError(f'ann={ann}: say where its images are with images=FOLDER')
    return folders.pop()


def _held_out(cfg: Config | None) -> list[tuple[str, dict]]:
    return [] if cfg is None else [
        (split, leaf) for split in ('val', 'test') for leaf in data_sets(cfg.get(f'{split}_dataloader'))]


def _refuse_held_out_file(cfg: Config | None, ann: str) -> None:
    trained = data_sets(cfg.get('train_dataloader')) if cfg is not None else ()
    if cfg is None or any(_same(_ann_file(leaf), ann) for leaf in trained if leaf.get('ann_file')):
        return
    files = [(split, _ann_file(leaf)) for split, leaf in _held_out(cfg) if leaf.get('ann_file')]
    for split in ('val', 'test'):
        metrics = cfg.get(f'{split}_evaluator') or []
        files += [(split, metric['ann_file']) for metric in ([metrics] if isinstance(metrics, dict) else metrics)
                  if metric.get('ann_file')]
    for split, file in files:
        if _same(file, ann):
            raise ValueError(f'ann={ann} holds the {split} annotations of {cfg.filename}: a dictionary is built from '
                             'training images')


def _same(first: str | Path, second: str | Path) -> bool:
    return os.path.realpath(first) == os.path.realpath(second)


def _refuse_held_out_folder(cfg: Config | None, images: str) -> None:
    for split, leaf in _held_out(cfg):
        if Path(os.path.realpath(_folder(leaf))).is_relative_to(os.path.realpath(images)):
            raise ValueError(f'images={images} holds the {split} images of {cfg.filename}, {_folder(leaf)}: a '
                             'dictionary is built from training images, which ann=FILE tells apart')


def _list_folder(folder: Path) -> ImageSet:
    _check_folder(folder)
    paths = sorted(str(path) for path in folder.rglob('*') if path.suffix.lower() in SUFFIXES and path.is_file())
    if not paths:
        raise ValueError(f'there are no images in {folder} ({", ".join(SUFFIXES)})')
    return ImageSet(paths)


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise FileNotFoundError(f'there is no folder {folder} (seen from {Path.cwd()})')


def _read_coco(ann: Path, folder: Path) -> ImageSet:
    if not ann.is_file():
        raise FileNotFoundError(f'there is no annotation file {ann} (seen from {Path.cwd()})')
    _check_folder(folder)
    try:
        content = json.loads(ann.read_bytes())
    except ValueError as error:
        raise ValueError(f'{ann} is no COCO annotation file: {error}') from error
    rows = content.get('images') if isinstance(content, dict) else None
    if not rows:
        raise ValueError(f"{ann} is no COCO annotation file with images: 'images' is missing or empty")
    lacking = next((row for row in rows if not {'id', 'file_name'} <= row.keys()), None)
    if lacking is not None:
        raise ValueError(f"{ann}: an entry of 'images' has no id or no file_name: {lacking}")
    index = {row['id']: position for position, row in enumerate(rows)}
    if len(index) < len(rows):
        raise ValueError(f"{ann}: 'images' has {len(rows)} entries of {len(index)} ids")
    owners, boxes = [], []
    for row in content.get('annotations') or ():
        if row.get('image_id') not in index:
            raise ValueError(f"{ann}: annotation {row.get('id')} has image_id {row.get('image_id')}, which is not in "
                             "'images'")
        box = row.get('bbox') or ()
        if not row.get('iscrowd') and len(box) == 4 and box[2] > 0 and box[3] > 0:
            owners.append(index[row['image_id']])
            boxes.append((box[0], box[1], box[0] + box[2], box[1] + box[3]))
    order = np.argsort(owners, kind='stable')
    ends = np.cumsum(np.bincount(np.array(owners, np.int64), minlength=len(rows)))
    boxes = np.split(np.array(boxes, np.float32).reshape(-1, 4)[order], ends[:-1])
    return ImageSet([str(folder / row['file_name']) for row in rows], boxes)
