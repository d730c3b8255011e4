"""The images that features are taken from: a folder, or a data set of a config, by default the one it trains on."""
import os
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.dataset import ConcatDataset

from mmdet_ext.annotations.annotation_file import read_grounding
from mmdet_ext.fingerprints import digest

SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp')


@dataclass
class ImageSet:
    """Images in a fixed order.

    Args:
        paths: One per image.
        boxes: For each image (b, 4) float32, x1, y1, x2, y2 in pixels, of its annotations but crowds; None for none.
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
        ann: Annotations in COCO's or MDETR's format to take instead.
        images: Folder of `ann`'s images, by default that of the config's training images. Without `ann` all
            images in the folder and below it, in the order of their paths; they have no boxes.

    Raises:
        FileNotFoundError: A file or folder does not exist.
        ValueError: There are no images, a file is no annotation file, or what is named is what the config keeps for
            validation or testing.
    """
    if ann is None and images is not None:
        _refuse_held_out(cfg, ann, images)
        return _list_folder(Path(images))
    if cfg is None and ann is None:
        raise ValueError('no images are named: give a config, ann=FILE with images=FOLDER, or images=FOLDER')
    trained = plain_data_sets(cfg, 'train')
    if ann is not None:
        if not any(_same(_ann_file(leaf), ann) for leaf in trained if leaf.get('ann_file')):
            _refuse_held_out(cfg, ann, images)
        folders = {_folder(leaf) for leaf in trained} if images is None else {Path(images)}
        if len(folders) != 1:
            raise ValueError(f'ann={ann}: say where its images are with images=FOLDER')
        return _read_annotations(Path(ann), folders.pop())
    if not trained or not all(leaf.get('ann_file') for leaf in trained):
        raise ValueError(f'{cfg.filename}: train_dataloader.dataset names no annotation file: say which images to '
                         'take with ann=FILE and images=FOLDER')
    parts = [_read_annotations(_ann_file(leaf), _folder(leaf)) for leaf in trained]
    return ImageSet([path for part in parts for path in part.paths], [boxes for part in parts for boxes in part.boxes])


def training_images(cfg: Config) -> ConcatDataset:
    """The data sets of `train_dataloader`, each image once, through `val_dataloader`'s pipeline, no annotations.

    ValueError if the config has no such data loaders, or there is no image.
    """
    pipeline = evaluation_pipeline(cfg)
    if not pipeline:
        raise ValueError(f'{cfg.filename} has no val_dataloader with a pipeline, which the training images should take')
    datasets = [DATASETS.build(dict(leaf, pipeline=pipeline, test_mode=True)) for leaf in plain_data_sets(cfg, 'train')]
    if not any(map(len, datasets)):
        raise ValueError(f'{cfg.filename} has no train_dataloader, or there is no image in its data set')
    return ConcatDataset(datasets)


def named_files(cfg: Config, split: str) -> list[tuple[Path, Path]]:
    """Annotation file and folder of images of each data set of a split ('train', 'val', 'test'), there or not."""
    return [(_ann_file(leaf), _folder(leaf)) for leaf in plain_data_sets(cfg, split) if leaf.get('ann_file')]


def evaluation_pipeline(cfg: Config) -> list[dict]:
    """The steps of the validation or test data set's pipeline, but for those that load annotations; [] for none."""
    steps = next((leaf['pipeline'] for leaf in plain_data_sets(cfg, 'val', 'test') if leaf.get('pipeline')), [])
    return [deepcopy(step) for step in steps if not _loads_annotations(step['type'])]


def _loads_annotations(kind: str | type) -> bool:
    name = kind.rpartition('.')[2] if isinstance(kind, str) else kind.__name__
    return (name.startswith('Load') and not name.startswith('LoadImage')) or name == 'FilterAnnotations'


def plain_data_sets(cfg: Config | None, *splits: str) -> list[dict]:
    """The configs of the data sets of some splits, taken out of what wraps or concatenates them."""
    loaders = [cfg.get(f'{split}_dataloader') for split in splits] if cfg is not None else []
    return [leaf for loader in loaders if loader and loader.get('dataset') for leaf in _unwrap(loader['dataset'])]


def _unwrap(node: dict) -> list[dict]:
    inner = [*([node['dataset']] if 'dataset' in node else []), *node.get('datasets', ())]
    return [leaf for child in inner for leaf in _unwrap(child)] if inner else [node]


def _ann_file(leaf: dict) -> Path:
    return Path(leaf.get('data_root') or '', leaf['ann_file'])  # an absolute ann_file stands for itself


def _folder(leaf: dict) -> Path:
    return Path(leaf.get('data_root') or '', (leaf.get('data_prefix') or {}).get('img', ''))


def _same(first: str | Path, second: str | Path) -> bool:
    return os.path.realpath(first) == os.path.realpath(second)


def _refuse_held_out(cfg: Config | None, ann: str | None, images: str | None) -> None:
    """Raise if `ann`, or the folder `images` where that is all, is what a config keeps for validation or testing."""
    for split in ('val', 'test') if cfg is not None else ():
        leaves, metrics = plain_data_sets(cfg, split), cfg.get(f'{split}_evaluator') or []
        files = [_ann_file(leaf) for leaf in leaves if leaf.get('ann_file')]
        files += [metric['ann_file'] for metric in ([metrics] if isinstance(metrics, dict) else metrics)
                  if metric.get('ann_file')]
        if ann is not None and any(_same(file, ann) for file in files):
            raise ValueError(f'ann={ann} holds the {split} annotations of {cfg.filename}: a dictionary is built from '
                             'training images')
        for folder in map(_folder, leaves) if ann is None else ():
            if Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(images)):
                raise ValueError(f'images={images} holds the {split} images of {cfg.filename}, {folder}: a '
                                 'dictionary is built from training images, which ann=FILE tells apart')


def _list_folder(folder: Path) -> ImageSet:
    paths = sorted(str(path) for path in folder.rglob('*') if path.suffix.lower() in SUFFIXES and path.is_file())
    if not folder.is_dir():
        raise FileNotFoundError(f'there is no folder {folder} (seen from {Path.cwd()})')
    if not paths:
        raise ValueError(f'there are no images in {folder} ({", ".join(SUFFIXES)})')
    return ImageSet(paths)


def _read_annotations(ann: Path, folder: Path) -> ImageSet:
    for path, kind, is_there in ((ann, 'annotation file', ann.is_file()), (folder, 'folder', folder.is_dir())):
        if not is_there:
            raise FileNotFoundError(f'there is no {kind} {path} (seen from {Path.cwd()})')
    content = read_grounding(str(ann))  # which asks for less than COCO's format: boxes need no categories here
    boxes = {image['id']: [] for image in content['images']}
    for row in content['annotations']:
        x, y, width, height = row['bbox']
        if not row['iscrowd'] and width > 0 and height > 0:
            boxes[row['image_id']].append((x, y, x + width, y + height))
    return ImageSet([str(folder / image['file_name']) for image in content['images']],
                    [np.array(corners, np.float32).reshape(-1, 4) for corners in boxes.values()])
