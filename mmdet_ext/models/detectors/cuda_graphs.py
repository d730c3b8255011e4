"""Record calls as CUDA graphs: the host then launches one graph instead of many kernels.

The recipe is torch's: https://docs.pytorch.org/docs/stable/notes/cuda.html#whole-network-capture
"""
import warnings
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map_only, tree_unflatten

WARM_UPS = 3  # calls before a capture, in which libraries choose their kernels and allocate their workspaces


class Recording(NamedTuple):
    """A captured call: `replay` reads `inputs` and overwrites `outputs`."""
    inputs: Sequence[Tensor]
    outputs: Any
    replay: Callable[[], None]


Capture = Callable[[Callable[..., Any], Sequence[Tensor]], Recording]


class CudaGraphs:
    """Run functions without gradients as CUDA graphs, one per function and kind of input (shapes, strides, dtypes).

    Results are copies, which later calls do not overwrite. If a capture fails, or after `max_captures` of them,
    functions run without a graph, with one warning. A copy of this object has no graphs: graphs belong to the weights
    that they were recorded with; call `clear` when weights move or change their dtype.

    Args:
        max_graphs: How many graphs are kept, the most recently used ones, each with the memory of one call.
        max_captures: How many graphs are recorded at most until `clear`; later kinds of input run without one.
        capture: Function that records a call; by default `CudaCapture`.
    """

    def __init__(self, max_graphs: int = 8, max_captures: int = 32, capture: Capture | None = None) -> None:
        self.max_graphs, self.max_captures = max_graphs, max_captures
        self.capture = capture or CudaCapture()
        self.clear()

    def clear(self) -> None:
        """Drop all graphs."""
        self._recordings: OrderedDict[Hashable, Recording | None] = OrderedDict()
        self._captured, self._warned = 0, False

    @torch.no_grad()
    def __call__(self, name: str, function: Callable[..., Any], *args: Any) -> Any:
        """`function(*args)`, which must depend only on `args` (tensors may be in tuples, lists or dicts), and otherwise
        do the same in each call with this `name`."""
        leaves, structure = tree_flatten(args)
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        key = (name, str(structure), tuple(map(_kind, leaves)), *_autocast_state())
        if key not in self._recordings and not self._record(key, function, leaves, structure, tensors):
            return function(*args)
        recording = self._recordings[key]
        self._recordings.move_to_end(key)
        if recording is None:
            return function(*args)
        for static, tensor in zip(recording.inputs, tensors, strict=True):
            static.copy_(tensor, non_blocking=True)
        recording.replay()
        return tree_map_only(Tensor, torch.clone, recording.outputs)

    def _record(self, key: Hashable, function: Callable[..., Any], leaves: Sequence[Any], structure: Any,
                tensors: Sequence[Tensor]) -> bool:
        """Capture a call, or remember that it cannot be captured; False if `max_captures` allows no further one."""
        if self._captured >= self.max_captures:
            self._warn(f'{self.max_captures} CUDA graphs were recorded and yet another kind of input came: from now on '
                       'new kinds run without; use fewer sizes of images')
            return False

        def on_tensors(*statics: Tensor) -> Any:
            rest = iter(statics)
            return function(*tree_unflatten([next(rest) if isinstance(leaf, Tensor) else leaf for leaf in leaves],
                                            structure))

        self._captured += 1
        try:
            recording = self.capture(on_tensors, tensors)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            self._warn(f'cuda_graph: {key[0]} cannot be recorded as a CUDA graph and runs without: {reason}')
            recording = None
        self._recordings[key] = recording
        while len(self._recordings) > self.max_graphs:
            self._recordings.popitem(last=False)
        return True

    def _warn(self, message: str) -> None:
        if not self._warned:
            warnings.warn(message, stacklevel=4)
        self._warned = True

    def __deepcopy__(self, memo: dict) -> 'CudaGraphs':
        return type(self)(self.max_graphs, self.max_captures, self.capture)

    def __reduce__(self) -> tuple:
        return type(self), (self.max_graphs, self.max_captures)


class CudaCapture:
    """Records a call with `torch.cuda.graph`. All recordings can share one memory pool, because outputs are copied
    before the next replay."""

    def __init__(self) -> None:
        self._pool = None

    def __call__(self, function: Callable[..., Any], inputs: Sequence[Tensor]) -> Recording:
        for tensor in inputs:
            check_cuda(tensor)
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        device = inputs[0].device
        # weights that autocast has cast must be cast in the graph, not taken from a cache that is emptied behind it
        autocast = torch.autocast('cuda', dtype=torch.get_autocast_dtype('cuda'),
                                  enabled=torch.is_autocast_enabled('cuda'), cache_enabled=False)
        # tensors of inference mode could not be written to outside of it
        with torch.cuda.device(device), torch.inference_mode(False), torch.no_grad(), autocast:
            static = [tensor.clone() for tensor in inputs]
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(WARM_UPS):
                    function(*static)
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            # other threads, such as one that pins batches, may call CUDA meanwhile
            previous = torch.cuda.current_stream()
            try:
                with torch.cuda.graph(graph, pool=self._pool, stream=side, capture_error_mode='thread_local'):
                    outputs = function(*static)
            finally:
                torch.cuda.set_stream(previous)  # which a capture that fails leaves behind
        return Recording(static, outputs, graph.replay)

    def __deepcopy__(self, memo: dict) -> 'CudaCapture':
        return type(self)()


def check_cuda(tensor: Tensor) -> None:
    """Raise a ValueError if a detector with `cuda_graph=True` is given a tensor of another device."""
    if not tensor.is_cuda:
        raise ValueError(f'cuda_graph=True needs the model and its images on a CUDA device, got {tensor.device}; '
                         'leave cuda_graph out to run there')


def _kind(leaf: Any) -> Hashable:
    if isinstance(leaf, Tensor):
        return tuple(leaf.shape), leaf.stride(), leaf.dtype, leaf.device
    return leaf


def _autocast_state() -> tuple[Hashable, ...]:
    return torch.is_autocast_enabled('cuda'), torch.get_autocast_dtype('cuda')
