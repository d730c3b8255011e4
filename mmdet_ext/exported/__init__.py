"""Run exported files (ONNX, OpenVINO, TorchScript, TensorRT) with the call and the results of a `Predictor`."""
from pathlib import Path

import torch

from ..predict import Predictor
from .metadata import Metadata
from .predictor import ExportedPredictor
from .sessions import is_exported

__all__ = ['ExportedPredictor', 'Metadata', 'is_exported', 'open_predictor']


def open_predictor(model: str | Path, checkpoint: str | Path | None = None, device: str | torch.device | None = None,
                   cfg_options: dict | None = None) -> Predictor | ExportedPredictor:
    """Open a model for prediction, whatever form it has.

    Args:
        model: A config, with `checkpoint`, or an exported file: .onnx, .torchscript, .engine, .xml of OpenVINO or the
            folder that holds it.
        checkpoint: File or URL of the weights of a config; None for random ones.
        device: 'cpu', 'cuda', ...; by default a GPU if there is one that the file can run on.
        cfg_options: Values that replace the config's, by dotted key. An exported file takes `model.test_cfg.score_thr`
            alone: below the threshold that it was exported with it holds nothing.

    Raises:
        OSError: A file is missing.
        ValueError: The parts do not fit together.
        ImportError: The library that runs the file is missing; names the extra that brings it.
    """
    if not is_exported(model):
        return Predictor(model, checkpoint, device, cfg_options=cfg_options)
    if checkpoint is not None:
        raise ValueError(f'{model} is an exported file, which has its weights inside, and takes no checkpoint '
                         f'{checkpoint}')
    options = dict(cfg_options or {})
    score_thr = options.pop('model.test_cfg.score_thr', None)
    if options:
        raise ValueError(f'{model} is an exported file: of the options of a config it takes model.test_cfg.score_thr '
                         f'alone, got {", ".join(options)}')
    return ExportedPredictor(model, device, score_thr=score_thr)
