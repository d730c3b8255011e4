"""Options of detectors that make their network faster without changing what it computes."""
import inspect
import warnings
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn as nn
from torch import Tensor

from .cuda_graphs import CudaGraphs

COMPILE_OPTIONS = tuple(name for name in inspect.signature(torch.compile).parameters if name != 'model')
MAX_SHAPES = 8  # image shapes that are compiled one by one with `dynamic=False`


class NetworkOptions:
    """Mixin for a detector, listed before mmdet's detector among its base classes. The constructor must call
    `set_network_options` at its end.

    No option changes names or values of a checkpoint. A copy of the detector has the same options, but runs uncompiled.
    """

    def set_network_options(self, parts: Iterable[nn.Module], *, channels_last: bool | None, compile: dict | None,
                            cuda_graph: bool, dynamic: bool) -> None:
        """
        Args:
            parts: Modules whose forward passes are compiled.
            channels_last: Whether images, feature maps and convolution weights have the memory format channels_last;
                None: if there are convolutions, on CUDA, and on the CPU where the detector is deployed. In training
                torch's batch norm for this format is a hundred times less exact on the CPU (7.7e-5 in place of 8e-7 of
                the result), which makes errors of some per cent in gradients.
            compile: Arguments of torch.compile for each part; None to compile nothing.
            cuda_graph: Whether `run_graphed` replays CUDA graphs.
            dynamic: Default of `compile['dynamic']`.

        Raises:
            ValueError: If one of these is wrong.
        """
        if channels_last not in (None, True, False):
            raise ValueError(f'channels_last should be True, False or None, got {channels_last!r}')
        if cuda_graph not in (True, False):
            raise ValueError(f'cuda_graph should be True or False, got {cuda_graph!r}')
        has_convolutions = any(weight.dim() == 4 for weight in self.parameters())
        if channels_last and not has_convolutions:
            raise ValueError(f'channels_last=True needs convolutions, {type(self).__name__} has none here')
        self.channels_last = channels_last if has_convolutions else False
        self.cuda_graph = cuda_graph
        self.compile_options = checked_compile_options(compile, dynamic)
        if self.compile_options is not None:
            for part in parts:
                part.compile(**self.compile_options)
        self._graphs = CudaGraphs()
        self._compiled_shapes: set[tuple] = set()
        self._weights_converted = False

    def to_memory_format(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) in the memory format of the network; the first call converts the weights too."""
        if not self._uses_channels_last(images):
            return images
        if not self._weights_converted:
            self._convert_weights()
        return images.contiguous(memory_format=torch.channels_last)

    def run_graphed(self, name: str, function: Callable[..., Any], *args: Any) -> Any:
        """`function(*args)`; with `cuda_graph`, in evaluation without gradients, as a CUDA graph (see `CudaGraphs`)."""
        if not self.cuda_graph or self.training or torch.is_grad_enabled():
            return function(*args)
        return self._graphs(name, function, *args)

    def forward(self, inputs: Tensor, *args: Any, **kwargs: Any) -> Any:
        with self._compiler(inputs):
            return super().forward(inputs, *args, **kwargs)

    def _compiler(self, images: Tensor) -> AbstractContextManager:
        """A context in which torch.compile compiles for at most `MAX_SHAPES` image shapes."""
        options = self.compile_options
        if options is None:
            return nullcontext()
        if options.get('mode') in ('reduce-overhead', 'max-autotune'):
            torch.compiler.cudagraph_mark_step_begin()  # all parts up to the next mark belong to one step
        if options['dynamic'] is False:
            kind = (tuple(images.shape), images.dtype, self.training)
            if kind not in self._compiled_shapes and len(self._compiled_shapes) >= MAX_SHAPES:
                self._warn_of_shapes(tuple(images.shape))
                return torch.compiler.set_stance('eager_on_recompile')
            self._compiled_shapes.add(kind)
        # several parts of one class, in training and in evaluation, share torch's limit of 8
        return torch._dynamo.config.patch(recompile_limit=16 * MAX_SHAPES)

    def _warn_of_shapes(self, shape: tuple[int, ...]) -> None:
        if not getattr(self, '_warned_of_shapes', False):
            warnings.warn(f'compile: {MAX_SHAPES} shapes of images are compiled, others such as {shape} run '
                          'uncompiled; set compile.dynamic=True for images of many sizes', stacklevel=5)
        self._warned_of_shapes = True

    def _uses_channels_last(self, tensor: Tensor) -> bool:
        if self.channels_last is not None:
            return self.channels_last
        return tensor.is_cuda or getattr(self, 'deployed', False)

    def _convert_weights(self) -> None:
        super()._apply(lambda x: x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x)
        self._weights_converted = True

    def _apply(self, *args: Any, **kwargs: Any) -> nn.Module:
        super()._apply(*args, **kwargs)
        self._graphs.clear()
        if self._uses_channels_last(next(self.parameters())):  # before DistributedDataParallel looks at the strides
            self._convert_weights()
        return self


def checked_compile_options(options: dict | None, dynamic: bool) -> dict | None:
    """A copy with a default for `dynamic`; ValueError for an argument that torch.compile does not have."""
    if options is None:
        return None
    if not isinstance(options, dict):
        raise ValueError(f'compile should be a dict of arguments of torch.compile, or None, got {options!r}')
    if unknown := [name for name in options if name not in COMPILE_OPTIONS]:
        raise ValueError(f'compile.{unknown[0]} is no argument of torch.compile, which has '
                         f'{", ".join(COMPILE_OPTIONS)}')
    return dict(dict(dynamic=dynamic), **options)
