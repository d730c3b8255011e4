"""Images for calibration and for the check of an exported file."""
from pathlib import Path

import numpy as np
from mmdet.registry import DATASETS
from mmengine.config import Config

from ..dictionary.sources.image_set import find_images
from ..shapes.render import render_scene
from ..shapes.sampling import sample_scene

CALIBRATION_IMAGES = 100


def calibration_images(cfg: Config, folder: Path | None, most: int = CALIBRATION_IMAGES) -> list[str]:
    """Paths of images, evenly spread over a folder or, without one, over the config's training data.

    Raises:
        OSError: Folder or annotation file is missing.
        ValueError: There are none, or they are those of the config's validation or test.
    """
    paths = find_images(cfg, images=None if folder is None else str(folder)).paths
    rows = np.linspace(0, len(paths) - 1, min(most, len(paths))).round().astype(int)
    return [paths[row] for row in rows]


def dataset_images(cfg: Config, split: str) -> list[str]:
    """Paths of the images of a data set of the config; of a mixture, of its first data set.

    Raises:
        OSError, ValueError: Its annotation file is missing or wrong.
    """
    dataset = cfg[f'{split}_dataloader'].dataset
    while 'dataset' in dataset or 'datasets' in dataset:
        dataset = dataset.dataset if 'dataset' in dataset else dataset.datasets[0]
    built = DATASETS.build(dict(dataset, pipeline=[]))
    return [built.get_data_info(row)['img_path'] for row in range(len(built))]


def check_image(cfg: Config) -> tuple[str | np.ndarray, str]:
    """An image to check a file with, and what it is: the first of the config's test set that exists, else one of
    Shapes, drawn on the spot."""
    for split in ('test', 'val', 'train'):
        try:
            paths = dataset_images(cfg, split)
        except (OSError, ValueError, KeyError, AttributeError):
            continue
        for path in paths[:10]:
            if Path(path).is_file():
                return path, path
    scene = sample_scene(0, 'val', 1, ((640, 480), ))
    return render_scene(scene), 'a drawn image of Shapes, 640 x 480'
