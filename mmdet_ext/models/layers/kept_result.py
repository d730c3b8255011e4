"""Keep what was computed from texts, which are the same for all images."""
from collections.abc import Callable, Hashable, Iterable
from typing import Any

import torch
import torch.nn as nn
from torch import Tensor


class KeptResult(nn.Module):
    """Keeps the last result of a computation, as long as it would give the same again.

    It is made again when its input, a weight or the precision has changed, and after the mode was set or a state dict
    loaded: hooks that exchange weights for their averages leave no trace on the tensors. It has no state.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kept: tuple[list, Any] | None = None

    def forward(self, key: Hashable, weights: Iterable[Tensor], compute: Callable[[], Any]) -> Any:
        """The kept result, or else that of `compute`, which is kept unless this is training, or has a gradient.

        Args:
            key: All input of `compute`, apart from the weights.
            weights: All weights that it takes, at least one.
        """
        weights = list(weights)
        device = weights[0].device.type
        state = [key, torch.is_autocast_enabled(device), torch.get_autocast_dtype(device),
                 torch.is_inference_mode_enabled(), [(weight.data_ptr(), weight._version) for weight in weights]]
        if self._kept is not None and self._kept[0] == state:
            return self._kept[1]
        result = compute()
        self._kept = None if self.training or torch.is_grad_enabled() else (state, result)
        return result

    def train(self, mode: bool = True) -> 'KeptResult':
        self._kept = None
        return super().train(mode)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self._kept = None
        super()._load_from_state_dict(*args, **kwargs)
