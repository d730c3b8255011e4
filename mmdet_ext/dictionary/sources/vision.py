"""Features of a trained detector, for the vision-model dictionary of YOLO-RD (https://arxiv.org/abs/2410.15346)."""
from pathlib import Path
from typing import Any

import numpy as np
from mmdet.utils import register_all_modules
from mmengine.registry import DefaultScope
from torch import Tensor

from mmdet_ext.launch import load_config

from .base import Samples, Source
from .chunks import count_chunks, items_of_chunk, join_samples
from .detector import FeatureTap, load_detector
from ...fingerprints import digest, digest_weights
from .image_set import find_images
from .picture_files import READ_ERRORS, skip_line
from .pipeline import PicturePipeline
from .sampling import Layout, check_sampling, draw_cells


class VisionSource(Source):
    """A detector's feature vectors at sampled positions of its training pictures.

    Pictures go through the config's test pipeline. Those of a chunk are one batch, padded to the largest of them;
    positions in padding are not sampled.

    Args:
        config: Config of the detector; of its annotation files only that of the training data is read.
        checkpoint: Its weights.
        place: Dotted name of a module: 'backbone', 'neck' or any other. A module's output is taken, but of a
            `RetrieverDictionary` its input. The pass ends there: 'backbone.trunk.blocks.1' of GELAN is the same map as
            level 0 of 'backbone', without the deeper stages.
        level: Which map, where the module gives several.
        per_image: Positions per picture, drawn without replacement; all if there are fewer.
        inside: Share of them, 0 to 1, whose centre lies in an annotated box, where the picture has such.
        ann: COCO annotations to take instead of the config's training data.
        images: Folder of `ann`'s pictures; without `ann` all pictures in it, without boxes.
        cfg_options: Values of the config to replace, by dotted key.
        chunk_size: Pictures per chunk.
        seed: Decides which positions.
        device: Where the detector runs.

    Raises:
        FileNotFoundError: A file or folder does not exist.
        ValueError: Config, checkpoint and the other arguments do not fit each other; see `find_images` and
            `load_detector`.
    """
    name = 'vision'

    def __init__(self, config: str | Path, checkpoint: str | Path, *, place: str = 'backbone', level: int = 0,
                 per_image: int = 64, inside: float = 0.0, ann: str | None = None, images: str | None = None,
                 cfg_options: dict | None = None, chunk_size: int = 8, seed: int = 0, device: str = 'cpu') -> None:
        check_sampling(per_image, inside)
        cfg = load_config(str(config), options=cfg_options)
        self.images = find_images(cfg, ann, images)
        if inside and not self.images.annotated:
            raise ValueError(f'inside={inside} needs boxes, and images={images} alone has none: add ann=FILE')
        self.per_image, self.inside, self.chunk_size, self.seed = per_image, inside, chunk_size, seed
        self.num_items = len(self.images)
        self.num_chunks = count_chunks(self.num_items, chunk_size)
        register_all_modules(init_default_scope=False)
        with DefaultScope.overwrite_default_scope(cfg.get('default_scope') or 'mmdet'):
            self.pipeline = PicturePipeline(cfg)
            model = load_detector(cfg, str(checkpoint)).to(device)
        self.tap = FeatureTap(model, place, level)
        blank, _ = self.pipeline.pack(self.pipeline.blank())
        features, _ = self.tap.read([blank['inputs']], [blank['data_samples']])
        self.width = features.shape[1]
        self._fingerprint = dict(
            source=self.name, place=place, level=level, per_image=per_image, inside=inside, chunk_size=chunk_size,
            seed=seed, images=self.images.digest(), weights=digest_weights(model),
            config=digest([repr(cfg.model.to_dict()), self.pipeline.description]))

    def chunk(self, index: int) -> Samples:
        pictures, skipped = [], []
        for item in items_of_chunk(index, self.chunk_size, self.num_items):
            path = self.images.paths[item]
            try:
                loaded = self.pipeline.load(path)
            except READ_ERRORS as error:
                skipped.append(skip_line(path, error))
                continue
            packed, outline = self.pipeline.pack(loaded)
            pictures.append((item, packed, outline, loaded['ori_shape'][::-1]))
        if not pictures:
            return join_samples([], self.width, skipped)
        features, (height, width) = self.tap.read(
            [packed['inputs'] for _, packed, _, _ in pictures],
            [packed['data_samples'] for _, packed, _, _ in pictures])
        grid = tuple(features.shape[-2:])
        cell = height / grid[0], width / grid[1]
        parts = [self._sample(item, feature, Layout(grid, cell, outline, size))
                 for feature, (item, _, outline, size) in zip(features, pictures, strict=True)]
        return join_samples(parts, self.width, skipped)

    def _sample(self, item: int, feature: Tensor, layout: Layout) -> Samples:
        """Samples of one picture from its map (C, H, W)."""
        cells = draw_cells(layout, self.per_image, np.random.default_rng([self.seed, item]),
                           objects=self.images.boxes(item), inside=self.inside)
        found = feature[:, cells.rows, cells.columns].T.float().cpu().numpy()
        skipped = [] if len(found) else [f'{self.images.paths[item]}: too narrow, no position has its centre in it']
        return Samples(found, np.full(len(found), item, np.int64), cells.boxes, skipped)

    def describe(self, item: int, box: np.ndarray) -> dict[str, Any]:
        return dict(image=self.images.paths[item], box=[float(side) for side in box])

    def fingerprint(self) -> dict[str, Any]:
        return dict(self._fingerprint)
