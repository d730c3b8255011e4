"""Prediction with an exported file, as `Predictor` predicts with a config and a checkpoint."""
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmdet.structures import DetDataSample
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from torch import Tensor

from ..predict import Detections, Predictor, Prepared
from ..predict.detections import detections_of
from .metadata import Metadata
from .sessions import Session, open_session


class ExportedPredictor(Predictor):
    """Predict with a file that `tools/export.py` wrote; neither the config nor the checkpoint is needed.

        predictor = ExportedPredictor('yolov9t.onnx')
        detections = predictor('street.jpg').above(0.25)

    Call and results are those of `Predictor`; images are prepared as the file's metadata say. `session` is the loaded
    file, `metadata` its metadata.

    Args:
        file: .onnx, .torchscript, .engine, .xml of OpenVINO or the folder that holds it; or a loaded file.
        device: 'cpu', 'cuda', ...; by default what the installed library offers.
        score_thr: Detections with a score of at most this are dropped, as in `Detections.above`.

    Raises:
        OSError: The file is missing.
        ValueError: The file cannot be read, or was not written by `tools/export.py`.
        ImportError: The library that runs it is missing; names the extra that brings it.
    """

    def __init__(self, file: str | Path | Session, device: str | torch.device | None = None, *,
                 score_thr: float | None = None) -> None:
        init_default_scope('mmdet')
        self.session = open_session(file, device) if isinstance(file, (str, Path)) else file
        self.metadata: Metadata = self.session.metadata
        self.score_thr = score_thr
        self.device = torch.device('cpu')  # of the arrays that go in and come out
        self.classes = self.metadata.classes
        self.system = import_module(f'.{self.metadata.system}', __package__)
        load, *steps = map(dict, self.metadata.pipeline)
        self.pipeline = Compose([dict(load, type='mmdet.InferencerLoader'), *steps])
        self.batch_by_shape = self.metadata.image_size is None and self.metadata.system == 'yolov9'
        self.preprocessor = DetDataPreprocessor(
            mean=list(self.metadata.mean), std=list(self.metadata.std), bgr_to_rgb=self.metadata.bgr_to_rgb,
            pad_size_divisor=self.metadata.stride, pad_value=self.metadata.pad_value)

    @torch.inference_mode()
    def collate(self, batch: Sequence[Prepared]) -> tuple[Tensor, list[DetDataSample]]:
        """Normalise images and pad them to one size: (B, 3, H, W) float32, and the samples."""
        inputs, samples = map(list, zip(*batch, strict=True))
        data = self.preprocessor(dict(inputs=inputs, data_samples=samples), False)
        images, samples = data['inputs'], data['data_samples']
        if self.metadata.image_size is not None and tuple(images.shape[-2:]) != tuple(self.metadata.image_size):
            height, width = self.metadata.image_size
            images = F.pad(images, (0, width - images.shape[-1], 0, height - images.shape[-2]),
                           value=self.metadata.pad_value)
            for sample in samples:
                sample.set_metainfo(dict(batch_input_shape=(height, width)))
        return images, samples

    @torch.inference_mode()
    def infer(self, inputs: Tensor, samples: Sequence[DetDataSample]) -> list[DetDataSample]:
        """Run the file: add `pred_instances` to the samples, with boxes in pixels of the original images."""
        size = self.metadata.batch_size or len(samples)
        results = []
        for start in range(0, len(samples), size):
            results += self._infer_batch(inputs[start:start + size], samples[start:start + size])
        return results

    @torch.inference_mode()
    def to_detections(self, samples: Sequence[DetDataSample]) -> list[Detections]:
        """The predictions as `Detections`."""
        return detections_of(samples, self.classes)

    def _infer_batch(self, images: Tensor, samples: Sequence[DetDataSample]) -> list[DetDataSample]:
        feeds = self.system.feeds(self.metadata, images, samples)
        missing = (self.metadata.batch_size or len(samples)) - len(samples)
        if missing:  # the last images of a list, in a file of a fixed batch size
            feeds = {name: np.concatenate([array, array[-1:].repeat(missing, axis=0)])
                     for name, array in feeds.items()}
        outputs = {name: value[:len(samples)] for name, value in self.session.run(feeds).items()}
        instances = self.system.instances(self.metadata, outputs, samples)
        for sample, predicted in zip(samples, instances, strict=True):
            if self.score_thr is not None:
                predicted = predicted[predicted.scores > self.score_thr]
            sample.pred_instances = predicted
        return list(samples)

    @property
    def takes_no_text(self) -> bool:
        """Whether captions play no part, or are in the file."""
        return not self.metadata.text or self.metadata.text.get('captions') is not None

    def _texts(self, texts: str | Sequence[str] | None, count: int) -> list[str | None]:
        if texts is None:
            if not self.takes_no_text:
                raise ValueError("texts is missing: this file looks for what a caption names, texts='a red car'")
            return [None] * count
        if self.takes_no_text:
            raise ValueError(f'texts: this file takes none, got {texts!r}')
        texts = [texts] * count if isinstance(texts, str) else list(texts)
        if len(texts) != count:
            raise ValueError(f'texts should be one for each of {count} images, got {len(texts)}')
        return texts
