"""Load an exported file and run it: arrays in, arrays out, by the names of inputs and outputs."""
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Protocol

import numpy as np
import torch

from ..extras import import_extra
from .metadata import KEY, Metadata, read_metadata

SUFFIXES = ('.onnx', '.torchscript', '.xml', '.engine')
EXTRA = 'export'


class Session(Protocol):
    """A loaded file."""
    metadata: Metadata

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by name."""


def is_exported(path: str | Path) -> bool:
    """Whether a path is that of an exported file: by its suffix, or a folder with an .xml of OpenVINO."""
    path = Path(path)
    return path.suffix in SUFFIXES or (path.is_dir() and any(path.glob('*.xml')))


def open_session(path: str | Path, device: str | torch.device | None = None) -> Session:
    """Load an exported file.

    Args:
        path: See `open_predictor`.
        device: 'cpu', 'cuda', ...; by default what the installed library offers.

    Raises:
        OSError: It is missing.
        ValueError: It cannot be read, or was not written by `tools/export.py`.
        ImportError: The library that runs it is missing.
    """
    path = Path(path)
    if path.is_dir():
        files = sorted(path.glob('*.xml'))
        if len(files) != 1:
            raise ValueError(f'{path} should hold one .xml file of OpenVINO, and holds {len(files)}')
        path, = files
    if not path.is_file():
        raise FileNotFoundError(f'there is no exported file {path} (seen from {Path.cwd()})')
    kinds = {'.onnx': OnnxSession, '.torchscript': TorchScriptSession, '.xml': OpenVINOSession}
    if path.suffix == '.engine':
        from .engine import EngineSession
        kinds['.engine'] = EngineSession
    if path.suffix not in kinds:
        raise ValueError(f'{path} should end in one of {", ".join(SUFFIXES)}')
    return kinds[path.suffix](path, device)


class OnnxSession:
    """An ONNX file in ONNX Runtime, on the device's execution provider, with torch's number of threads."""

    def __init__(self, path: Path, device: str | torch.device | None = None) -> None:
        ort = import_extra('onnxruntime', EXTRA)
        options = ort.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        options.add_session_config_entry('session.force_spinning_stop', '1')  # leave the cores after each call
        try:
            self.session = ort.InferenceSession(path, options, providers=_providers(ort, device))
        except Exception as error:  # onnxruntime has many
            raise ValueError(f'{path}: ONNX Runtime cannot load it: {str(error).splitlines()[0]}') from error
        properties = self.session.get_modelmeta().custom_metadata_map
        self.metadata = read_metadata(properties.get(KEY), path)

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        values = self.session.run(list(self.metadata.outputs), dict(inputs))
        return dict(zip(self.metadata.outputs, values, strict=True))


class OpenVINOSession:
    """A file of OpenVINO on its CPU or GPU plugin, optimised for latency."""

    def __init__(self, path: Path, device: str | torch.device | None = None) -> None:
        openvino = import_extra('openvino', EXTRA)
        core = openvino.Core()
        try:
            model = core.read_model(path)
        except RuntimeError as error:
            raise ValueError(f'{path}: OpenVINO cannot load it: {str(error).splitlines()[-1]}') from error
        text = model.get_rt_info([KEY]).value if model.has_rt_info([KEY]) else None
        self.metadata = read_metadata(text, path)
        # not bfloat16, which OpenVINO prefers on CPUs with AMX, and which moves boxes by pixels
        hint = 'f16' if self.metadata.precision == 'fp16' else 'f32'
        settings = dict(PERFORMANCE_HINT='LATENCY', INFERENCE_NUM_THREADS=torch.get_num_threads(),
                        INFERENCE_PRECISION_HINT=hint)
        plugin = 'CPU' if device is None or torch.device(device).type == 'cpu' else str(device).upper()
        self.model = core.compile_model(model, plugin, settings if plugin == 'CPU' else {})

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        results = self.model(dict(inputs))
        return {name: results[name] for name in self.metadata.outputs}


class TorchScriptSession:
    """A TorchScript file in torch."""

    def __init__(self, path: Path, device: str | torch.device | None = None) -> None:
        extra = {KEY: ''}
        self.device = torch.device(device or 'cpu')
        try:
            self.module = torch.jit.load(path, map_location=self.device, _extra_files=extra)
        except RuntimeError as error:
            raise ValueError(f'{path}: torch cannot load it: {str(error).splitlines()[0]}') from error
        text = extra[KEY]
        self.metadata = read_metadata(text.decode() if isinstance(text, bytes) else text, path)

    @torch.inference_mode()
    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        arrays = [torch.from_numpy(inputs[name]).to(self.device) for name in self.metadata.inputs]
        values = self.module(*arrays)
        values = values if isinstance(values, (tuple, list)) else (values, )
        return {name: value.cpu().numpy() for name, value in zip(self.metadata.outputs, values, strict=True)}


def _providers(ort: ModuleType, device: str | torch.device | None) -> list:
    cuda = 'CUDAExecutionProvider'
    wanted = torch.device(device or ('cuda' if torch.cuda.is_available() else 'cpu'))
    if cuda in ort.get_available_providers() and wanted.type == 'cuda':
        return [(cuda, dict(device_id=wanted.index or 0)), 'CPUExecutionProvider']
    if device is not None and wanted.type != 'cpu':
        raise ValueError(f'device is {str(device)!r}, and this onnxruntime runs on the CPU: pip install '
                         'onnxruntime-gpu for CUDA')
    return ['CPUExecutionProvider']
