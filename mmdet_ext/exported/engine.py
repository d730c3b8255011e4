"""Run an engine of TensorRT. Its arrays lie in torch's memory on the GPU."""
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import numpy as np
import torch

from .metadata import metadata_beside


class EngineSession:
    """An engine on a GPU, with the metadata in the json file beside it."""

    def __init__(self, path: Path, device: str | torch.device | None = None) -> None:
        try:
            tensorrt = import_module('tensorrt')
        except ModuleNotFoundError as error:
            raise ImportError(f'{path} needs TensorRT: pip install tensorrt, in the version that built it') from error
        self.device = torch.device(device or 'cuda')
        if self.device.type != 'cuda' or not torch.cuda.is_available():
            raise ValueError(f'{path}: an engine of TensorRT runs on a CUDA device, and device is {self.device}')
        self.metadata = metadata_beside(path)
        self.engine = tensorrt.Runtime(tensorrt.Logger(tensorrt.Logger.WARNING)).deserialize_cuda_engine(
            path.read_bytes())
        if self.engine is None:
            raise ValueError(f'{path}: TensorRT cannot load it; an engine runs with the version and on the kind of GPU '
                             'that it was built with')
        self.context = self.engine.create_execution_context()
        self.types = {name: torch.from_numpy(np.empty(0, tensorrt.nptype(self.engine.get_tensor_dtype(name)))).dtype
                      for name in (*self.metadata.inputs, *self.metadata.outputs)}

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        tensors = {name: torch.from_numpy(inputs[name]).to(self.device, self.types[name]).contiguous()
                   for name in self.metadata.inputs}
        for name, tensor in tensors.items():
            self.context.set_input_shape(name, tuple(tensor.shape))
        for name in self.metadata.outputs:
            tensors[name] = torch.empty(tuple(self.context.get_tensor_shape(name)), dtype=self.types[name],
                                        device=self.device)
        for name, tensor in tensors.items():
            self.context.set_tensor_address(name, tensor.data_ptr())
        stream = torch.cuda.current_stream(self.device)
        if not self.context.execute_async_v3(stream.cuda_stream):
            raise RuntimeError('TensorRT could not run the engine')
        stream.synchronize()
        return {name: tensors[name].cpu().numpy() for name in self.metadata.outputs}
