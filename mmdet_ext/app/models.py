"""The models of the page: loaded when they are first used, asked one after the other."""
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch.nn as nn
from mmengine.config import Config

from ..exported import ExportedPredictor, open_predictor
from ..models.dense_heads import SMCAHead
from ..models.detectors import MDETR
from ..models.layers.atoms import rd_options
from ..models.transformers import SMCATransformerDecoder
from ..predict import Predictor
from ..text.prompts import prompt_text
from .atoms import AtomsView
from .gaussians import GaussiansView
from .result import Result, result_of

_BOX_THRESHOLD, _TEXT_THRESHOLD = 0.3, 0.7
_PROMPTS_AT_ONCE = 16


@dataclass(frozen=True)
class Source:
    """Where a model comes from.

    Attributes:
        config: Path of a config, or of an exported file.
        checkpoint: Path of the checkpoint; None for an exported file.
        name: What the page calls the model.
    """
    config: str
    checkpoint: str | None
    name: str


class Model:
    """A model that is loaded when it is first used. Predictions wait for each other.

    Args:
        source: Where it comes from.
        device: 'cpu', 'cuda', ...; by default a GPU if there is one.
        cfg_options: Values that replace the config's, by dotted key.
    """

    def __init__(self, source: Source, device: str | None = None, cfg_options: dict | None = None) -> None:
        self.source = source
        self.name = source.name
        self._device = device
        self._cfg_options = cfg_options
        self._lock = threading.RLock()  # PyTorch's threads would only get in each other's way

    @cached_property
    def predictor(self) -> Predictor | ExportedPredictor:
        """Raises OSError or ValueError if a file is missing or they do not fit together."""
        with self._lock:
            return open_predictor(self.source.config, self.source.checkpoint, self._device, self._cfg_options)

    @property
    def takes_text(self) -> bool:
        predictor = self.predictor
        if isinstance(predictor, ExportedPredictor):
            return bool(predictor.metadata.text) and predictor.metadata.text.get('captions') is None
        return isinstance(predictor.model, MDETR)

    @property
    def answers(self) -> bool:
        """Whether it answers questions."""
        return getattr(self._network, 'answer_head', None) is not None

    @property
    def _network(self) -> nn.Module | None:
        """The model in PyTorch; None of an exported file."""
        return getattr(self.predictor, 'model', None)

    @property
    def classes(self) -> Sequence[str]:
        """Names of the classes; empty where a text says what to look for, or nothing is known."""
        return () if self.takes_text else self.predictor.classes or ()

    @property
    def threshold(self) -> float:
        """A score from which on detections are worth a look."""
        return _TEXT_THRESHOLD if self.takes_text else _BOX_THRESHOLD

    @property
    def cfg(self) -> Config | None:
        """The config; None for an exported file."""
        return getattr(self.predictor, 'cfg', None)

    @property
    def has_atoms(self) -> bool:
        """Whether it has a Retriever-Dictionary."""
        return self.cfg is not None and bool(rd_options(self.cfg.model))

    @cached_property
    def atoms(self) -> AtomsView:
        """Its dictionary, in a second copy of the model: in the one that predicts it is folded away."""
        with self._lock:
            return AtomsView(self.cfg, self.source.checkpoint, self.predictor.device)

    @property
    def has_gaussians(self) -> bool:
        """Whether it is an SMCA-DETR."""
        network = self._network
        return isinstance(getattr(network, 'decoder', None), SMCATransformerDecoder) and isinstance(
            network.bbox_head, SMCAHead)

    @cached_property
    def gaussians(self) -> GaussiansView:
        return GaussiansView(self._network, self.cfg)

    def detect(self, image: Path, text: str | None = None, names: Sequence[str] | None = None) -> Result:
        """Detect what is in an image.

        Args:
            image: The file.
            text: For a model that takes text the caption or the question; others ignore it.
            names: In its place names of classes, each of which is looked for by a prompt of its own.

        Raises:
            OSError: A file is missing.
            ValueError: The image cannot be read, or there is nothing to look for.
        """
        with self._lock:
            predictor = self.predictor
            if not self.takes_text:
                text = names = None
            elif names is not None and not names:
                raise ValueError('There are no names: write the classes to look for, with commas between them.')
            elif names is None and not (text or '').strip():
                raise ValueError('The question is empty: write what to ask.' if self.answers else
                                 'The caption is empty: write what to look for, such as "a red circle".')
            begin = time.perf_counter()
            if names:
                prompts = [prompt_text(name) for name in names]
                parts = predictor([str(image)] * len(names), prompts, batch_size=_PROMPTS_AT_ONCE, progress=False)
                text = None
            else:
                parts = [predictor(str(image), text)]
            return result_of(self.name, image, parts, names, text, time.perf_counter() - begin)

    def captured(self, image: Path) -> Any:
        """What its dictionary or its decoder does with an image: one more pass through the network."""
        with self._lock:
            return (self.atoms if self.has_atoms else self.gaussians).capture(image)

    def find_samples(self, progress: Callable[[float], None]) -> None:
        """Look for the samples of its atoms in the training images; see `AtomsView.find_samples`."""
        with self._lock:
            self.atoms.find_samples(progress)
