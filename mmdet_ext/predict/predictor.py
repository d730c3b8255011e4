"""Prediction with the transforms, preprocessor and model of mmdet's `DetInferencer`, and nothing else."""
import copy
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmdet.utils import get_test_pipeline_cfg
from mmengine.config import Config
from mmengine.dataset import Compose
from torch import Tensor
from tqdm import tqdm

from ..models.detectors import MDETR, PromptedMDETR
from .detections import Detections, detections_of
from .loading import choose_device, load_model, read_config
from .tracing import trace_network

Image = str | Path | np.ndarray
LONG = 32  # images; longer lists get a progress bar


class UnsuitableImage(ValueError):
    """An image that the test pipeline of the config cannot take."""


class Prepared(NamedTuple):
    """An image as the config's test pipeline packs it: (3, H, W) in the pipeline's dtype, and its data sample."""
    inputs: Tensor
    sample: DetDataSample


class Predictor:
    """Predict with a config's own test pipeline and `test_cfg`; the detections are the same as with `DetInferencer`.

        predictor = Predictor('configs/yolov9/yolov9t_coco.py', 'yolov9t.pth')
        detections = predictor('street.jpg').above(0.25)
        for box, score, name in zip(detections.boxes, detections.scores, detections.names):
            print(name, score, box)

    A prediction calls `prepare` for each image, then `collate`, `infer` and `to_detections` for each batch. They may
    also be called one by one. The attribute `model` is the detector, `cfg` its config, `classes` the names of its
    classes, or None where they are not known.

    Args:
        config: Path of a config, or a `Config`, which is not changed.
        checkpoint: File or URL; None for random weights.
        device: 'cpu', 'cuda', 'cuda:1', ...; by default a GPU if there is one. The number of threads is not changed.
        deployed: Whether a YOLOv9 (any `PGIDetector`) is converted to its deployed form, without auxiliary branch.
        cfg_options: Values that replace the config's, by dotted key: `{'model.test_cfg.score_thr': 0.25}` suits
            YOLOv9 when detections are displayed, 0.001 when they are evaluated.

    Raises:
        OSError: A file is missing.
        ValueError: Config, checkpoint and device do not fit together.
    """

    def __init__(self, config: str | Path | Config, checkpoint: str | Path | None = None,
                 device: str | torch.device | None = None, *, deployed: bool = True,
                 cfg_options: dict | None = None) -> None:
        self.cfg = read_config(config, cfg_options)
        self.device = choose_device(device)
        self.model = load_model(self.cfg, checkpoint, self.device, deployed)
        steps = copy.deepcopy(get_test_pipeline_cfg(self.cfg))
        kinds = [_kind(step) for step in steps]
        if 'LoadImageFromFile' not in kinds:
            raise ValueError(f'the test pipeline has no LoadImageFromFile, but {", ".join(kinds)}')
        steps[kinds.index('LoadImageFromFile')]['type'] = 'mmdet.InferencerLoader'
        self.pipeline = Compose([step for step, kind in zip(steps, kinds) if kind != 'LoadAnnotations'])
        self.batch_by_shape = 'RectLetterbox' in kinds
        self.traced_network = trace_network(self.model)
        self.classes: Sequence[str] | None = self.model.dataset_meta.get('classes')

    def __call__(self, images: Image | Sequence[Image], texts: str | Sequence[str] | None = None, *,
                 batch_size: int = 1, progress: bool | None = None) -> Detections | list[Detections]:
        """Predict.

        Args:
            images: A path, an array (H, W, 3) or (H, W), uint8, BGR as OpenCV reads it, or a list of either.
            texts: For MDETR what to look for: one caption for all images, or one for each.
            batch_size: How many images of a list go through the network together. With YOLOv9's pipeline only images
                of the same shape do, because padding changes detections.
            progress: Whether to show a progress bar; by default for a list of more than 32 images.

        Returns:
            `Detections`, or for a list of images a list of them in the same order.

        Raises:
            ValueError: An image cannot be read, or a caption is missing.
        """
        if batch_size < 1:
            raise ValueError(f'batch_size should be at least 1, got {batch_size}')
        single = isinstance(images, Image)
        if not single and not isinstance(images, Iterable):
            raise ValueError(f'images should be a path, an array or a list of either, got {images!r}')
        images = [images] if single else list(images)
        texts = self._texts(texts, len(images))
        results: list[Detections | None] = [None] * len(images)
        with tqdm(desc='predict', total=len(images), unit=' images',
                  disable=len(images) <= LONG if progress is None else not progress) as bar:
            for rows, batch in self._batches(images, texts, batch_size):
                for row, detections in zip(rows, self.to_detections(self.infer(*self.collate(batch))), strict=True):
                    results[row] = detections
                bar.update(len(rows))
        return results[0] if single else results

    def prepare(self, image: Image, text: str | None = None) -> Prepared:
        """Read an image and run the test pipeline."""
        if not isinstance(image, Image):
            raise ValueError(f'an image should be a path or an array, got {type(image).__name__}')
        given = dict(img=_bgr(image)) if isinstance(image, np.ndarray) else dict(img_path=str(image))
        if text is not None:
            given |= dict(text=text, custom_entities=False, tokens_positive=None)
        try:
            packed = self.pipeline(given)
        except FileNotFoundError as error:
            raise FileNotFoundError(f'there is no image {image} (seen from {Path.cwd()})') from error
        except (AssertionError, cv2.error) as error:
            if isinstance(image, np.ndarray):
                raise UnsuitableImage(f'an image of {image.shape[1]} x {image.shape[0]} pixels cannot be scaled as the '
                                      f'test pipeline says ({str(error).splitlines()[0]})') from error
            raise ValueError(f'{image} is no image that OpenCV can decode') from error
        sample = packed['data_samples']
        if text is not None and 'text' not in sample:
            raise ValueError(f'texts: the test pipeline of this config takes none, got {text!r}')
        return Prepared(packed['inputs'], sample)

    @torch.inference_mode()
    def collate(self, batch: Sequence[Prepared]) -> tuple[Tensor, list[DetDataSample]]:
        """Run the config's data preprocessor: (B, 3, H, W) float32 on the device, and the samples."""
        inputs, samples = map(list, zip(*batch, strict=True))
        data = self.model.data_preprocessor(dict(inputs=inputs, data_samples=samples), False)
        return data['inputs'], data['data_samples']

    @torch.inference_mode()
    def infer(self, inputs: Tensor, samples: Sequence[DetDataSample]) -> list[DetDataSample]:
        """Run the model: add `pred_instances` to the samples, with boxes in pixels of the original images."""
        if self.traced_network is None:
            return self.model.predict(inputs, samples, rescale=True)
        maps = self.traced_network(inputs.contiguous(memory_format=torch.channels_last))
        metas = [sample.metainfo for sample in samples]
        results = self.model.bbox_head.predict_by_feat(*maps, batch_img_metas=metas, rescale=True)
        return self.model.add_pred_to_datasample(samples, results)

    @torch.inference_mode()
    def to_detections(self, samples: Sequence[DetDataSample]) -> list[Detections]:
        """Copy the predictions to the host, as `Detections`."""
        return detections_of(samples, self.classes)

    def _batches(self, images: Sequence[Image], texts: Sequence[str | None],
                 batch_size: int) -> Iterator[tuple[list[int], list[Prepared]]]:
        """Indices and prepared images of each batch. Where its images must have one shape, a batch is complete as soon
        as there are `batch_size` images of that shape."""
        waiting: dict[tuple, list[tuple[int, Prepared]]] = {}
        for row, (image, text) in enumerate(zip(images, texts, strict=True)):
            prepared = self.prepare(image, text)
            key = tuple(prepared.inputs.shape) if self.batch_by_shape else ()
            waiting.setdefault(key, []).append((row, prepared))
            if len(waiting[key]) == batch_size:
                yield tuple(map(list, zip(*waiting.pop(key))))
        for rest in waiting.values():
            yield tuple(map(list, zip(*rest)))

    def _texts(self, texts: str | Sequence[str] | None, count: int) -> list[str | None]:
        if texts is None:
            if isinstance(self.model, MDETR) and not isinstance(self.model, PromptedMDETR):
                raise ValueError("texts is missing: MDETR looks for what a caption names, texts='a red car'")
            return [None] * count
        texts = [texts] * count if isinstance(texts, str) else list(texts)
        if len(texts) != count:
            raise ValueError(f'texts should be one for each of {count} images, got {len(texts)}')
        return texts


def _kind(step: dict) -> str:
    kind = step['type']
    return kind.rsplit('.', 1)[-1] if isinstance(kind, str) else kind.__name__


def _bgr(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) of an array that may be grey."""
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3)):
        raise ValueError(f'an array should be (H, W, 3) or (H, W) uint8, got {image.shape} {image.dtype}')
    return image if image.ndim == 3 and image.shape[2] == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
