"""Features of a trained detector, for the vision-model dictionary of YOLO-RD (https://arxiv.org/abs/2410.15346)."""
from pathlib import Path
from typing import Any

import torch
from mmdet.utils import register_all_modules
from mmengine.registry import DefaultScope
from torch import Tensor

from mmdet_ext.cell_grid import CellGrid
from mmdet_ext.fingerprints import digest, digest_weights
from mmdet_ext.launch import load_config
from mmdet_ext.predict.loading import load_model

from .detector import FeatureTap, ImagePipeline
from .image_set import find_images
from .images import ImageSource


class VisionSource(ImageSource):
    """A detector's feature vectors at sampled positions of its training images.

    Images go through the config's test pipeline. Those of a batch are padded to the largest of them;
    positions in padding are not sampled.

    Args:
        config: Config of the detector; of its annotation files only that of the training data is read.
        checkpoint: Its weights.
        place: Dotted name of a module: 'backbone', 'neck' or any other. A module's output is taken, but of a
            `RetrieverDictionary` its input. The pass ends there: 'backbone.trunk.blocks.1' of GELAN is the same map as
            level 0 of 'backbone', without the deeper stages.
        level: Which map, where the module gives several.
        per_image: Positions per image, drawn without replacement; all if there are fewer.
        inside: Share of them, 0 to 1, whose centre lies in an annotated box, where the image has such.
        ann: COCO annotations to take instead of the config's training data.
        images: Folder of `ann`'s images; without `ann` all images in it, without boxes.
        cfg_options: Values of the config to replace, by dotted key.
        batch_size: Images to compute at a time.
        seed: Decides which positions.
        device: Where the detector runs.

    Raises:
        FileNotFoundError: A file or folder does not exist.
        ValueError: Config, checkpoint and the other arguments do not fit each other; see `find_images` and
            `load_model`.
    """
    name = 'vision'

    def __init__(self, config: str | Path, checkpoint: str | Path, *, place: str = 'backbone', level: int = 0,
                 per_image: int = 64, inside: float = 0.0, ann: str | None = None, images: str | None = None,
                 cfg_options: dict | None = None, batch_size: int = 8, seed: int = 0,
                 device: str | torch.device = 'cpu') -> None:
        cfg = load_config(str(config), options=cfg_options)
        super().__init__(find_images(cfg, ann, images), per_image=per_image, inside=inside, batch_size=batch_size,
                         seed=seed)
        register_all_modules(init_default_scope=False)
        with DefaultScope.overwrite_default_scope(cfg.get('default_scope') or 'mmdet'):
            self.pipeline = ImagePipeline(cfg)
            model = load_model(cfg, checkpoint, torch.device(device), deployed=False).requires_grad_(False)
        self.tap = FeatureTap(model, place, level)
        self.width = self.maps([self.pipeline.blank()])[0][0].shape[0]
        self.fingerprint = dict(
            source=self.name, place=place, level=level, per_image=per_image, inside=inside, batch_size=batch_size,
            seed=seed, images=self.images.digest(), weights=digest_weights(model),
            config=digest([repr(cfg.model.to_dict()), self.pipeline.description]))

    def load(self, path: str) -> dict[str, Any]:
        return self.pipeline.load(path)

    def maps(self, loaded: list[dict[str, Any]]) -> list[tuple[Tensor, CellGrid]]:
        packed, outlines = zip(*map(self.pipeline.pack, loaded))
        features, (input_height, input_width) = self.tap.read([one['inputs'] for one in packed],
                                                              [one['data_samples'] for one in packed])
        grids = []
        for one, (left, top, right, bottom) in zip(loaded, outlines, strict=True):
            height, width = one['ori_shape']
            step_x, step_y = width / (right - left), height / (bottom - top)
            extent = (-left * step_x, -top * step_y, (input_width - left) * step_x, (input_height - top) * step_y)
            grids.append(CellGrid((height, width), tuple(features.shape[-2:]), extent))
        return list(zip(features, grids, strict=True))
