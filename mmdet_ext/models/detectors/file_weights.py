"""How detectors load what mmengine read from a file."""
from typing import Any

from torch import Tensor


class FileWeights:
    """Mixin for a detector, listed before mmdet's detector among its base classes.

    mmengine loads whatever fits and mentions the rest in the log. Weights that this package has read from a file
    for mmengine bring a stricter policy with them (`checkpoints.file_policy`), which the detector follows. A state dict
    from elsewhere is loaded as torch does.
    """

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, local_metadata: dict,
                              *args: Any) -> None:
        if policy := local_metadata.pop('file_policy', None):
            policy(self, state_dict)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)
