"""Loading of the weights that mmengine has read from a file."""
from typing import Any

from torch import Tensor


class FileWeights:
    """Mixin for a detector, listed before mmdet's detector among its base classes.

    mmengine loads the tensors that fit and only logs the others. The state dicts that this package reads for mmengine
    have a stricter policy in their metadata (`checkpoints.file_policy`), which the detector follows. Other state dicts
    are loaded as in torch.
    """

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, local_metadata: dict,
                              *args: Any) -> None:
        if policy := local_metadata.pop('file_policy', None):
            policy(self, state_dict)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)
