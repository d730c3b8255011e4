"""Mosaic of four images (YOLOv4, https://arxiv.org/abs/2004.10934), and MixUp of two mosaics."""
from collections.abc import Sequence

import cv2
import numpy as np
from mmcv.transforms import BaseTransform, Compose
from mmdet.registry import TRANSFORMS

from .canvas import Canvas, Tile
from .instances import concatenate, shift_and_clip


@TRANSFORMS.register_module()
class YOLOMosaic(BaseTransform):
    """Put four images around a random point of a canvas of twice the size; parts outside the canvas are cut off.

    The point is uniform in the middle half of the canvas. `YOLOAffine` then crops the canvas to one image.

    Args:
        size: Long side of the images in pixels; the canvas is 2 size x 2 size.
        pad_value: Colour of the canvas, 0 to 255.
        deferred: Whether to return the image as a `Canvas`, of which `YOLOAffine` draws only the part that it crops.
            Pixels are the same. The next steps must then be `YOLOCopyPaste` and `YOLOAffine`: others need an array.
    """

    def __init__(self, size: int = 640, pad_value: int = 114, deferred: bool = False) -> None:
        self.size = size
        self.pad_value = pad_value
        self.deferred = deferred

    def get_indexes(self, dataset: Sequence) -> list[int]:
        return np.random.randint(len(dataset), size=3).tolist()

    def transform(self, results: dict) -> dict:
        images = [results, *results.get('mix_results', ())]
        if len(images) != 4:
            raise ValueError(f'YOLOMosaic needs mix_results of 3 images, got {len(images) - 1}: it is for the '
                             'pipeline of MultiImageMixDataset')
        center_x, center_y = np.random.uniform(0.5 * self.size, 1.5 * self.size, 2).astype(int).tolist()
        side = 2 * self.size
        tiles = []
        for index, image in enumerate(images):
            height, width = image['img'].shape[:2]
            left = center_x if index % 2 else center_x - width
            top = center_y if index >= 2 else center_y - height
            tiles.append(Tile(image['img'], left, top))
            shift_and_clip(image, (left, top), side, side)
        canvas = Canvas(tiles, side, self.pad_value)
        img = canvas if self.deferred else np.asarray(canvas)
        results.update(concatenate(images), img=img, img_shape=(side, side))
        return results


@TRANSFORMS.register_module()
class YOLOMixUp(BaseTransform):
    """Blend an image with a second one of the same size and keep the instances of both.

    Args:
        prob: Probability of mixing, 0 to 1.
        transforms: Steps that make the second image from four more images, beginning with `YOLOMosaic`.
        beta: The first image's weight is drawn from Beta(beta, beta).
    """

    def __init__(self, prob: float = 0.15, transforms: Sequence[dict] = (), *, beta: float = 32.) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'prob must be between 0 and 1, got {prob}')
        self.prob = prob
        self.transforms = Compose([TRANSFORMS.build(transform) for transform in transforms])
        self.beta = beta

    def get_indexes(self, dataset: Sequence) -> list[int]:
        """Decide at random whether to mix. If so, draw four images; otherwise none needs to be loaded."""
        if np.random.random() >= self.prob:
            return []
        return np.random.randint(len(dataset), size=4).tolist()

    def transform(self, results: dict) -> dict:
        if not results.get('mix_results'):
            return results
        second, *others = results['mix_results']
        second = self.transforms(dict(second, mix_results=others))
        if second['img'].shape != results['img'].shape:
            raise ValueError(f'YOLOMixUp blends images of one size, got {results["img"].shape[:2]} and '
                             f'{second["img"].shape[:2]}: its transforms must end as those before it do')
        weight = np.random.beta(self.beta, self.beta)
        img = cv2.addWeighted(results['img'], weight, second['img'], 1 - weight, 0)
        results.update(concatenate([results, second]), img=img)
        return results
