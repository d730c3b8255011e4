"""A cache of the features of captions."""
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NamedTuple

import torch
import torch.nn as nn
from torch import Tensor

from ...files import replace_file
from ...fingerprints import digest, digest_weights


class CaptionFeatures(NamedTuple):
    """The features of one caption.

    - hidden: (L + 1, D), of its L tokens and of the padding after them. RoBERTa gives all padding tokens of a caption
      the same features, which do not depend on the rest of the batch, so one row is enough.
    - pooled: (D, )
    """
    hidden: Tensor
    pooled: Tensor

    @property
    def num_bytes(self) -> int:
        return self.hidden.nbytes + self.pooled.nbytes


class FeatureCache:
    """Features by key: the most recently used ones in memory and, if there is a folder, all of them on disk.

    Several processes may use one folder at the same time: a file is written completely or not at all, and a damaged one
    counts as missing. Copies of a model share the cache, because the key says which model made the features.

    Args:
        folder: Where files are kept, one per caption; it is made when the first file is written, and its size has no
            limit.
        max_mib: How much memory the features may take, in MiB.

    Raises:
        ValueError: If `folder` is a file or `max_mib` is negative.
    """

    def __init__(self, folder: str | Path | None = None, max_mib: float = 1024) -> None:
        if folder is not None and Path(folder).exists() and not Path(folder).is_dir():
            raise ValueError(f"cache should be None, 'memory' or a folder, and {folder} is a file")
        if not max_mib >= 0:
            raise ValueError(f'cache_mib should be 0 or more, got {max_mib}')
        self.folder = None if folder is None else Path(folder)
        self.max_bytes = int(max_mib * 2**20)
        self.num_bytes = 0
        self._features: OrderedDict[str, CaptionFeatures] = OrderedDict()

    def __deepcopy__(self, memo: dict[int, Any]) -> 'FeatureCache':
        return self

    def __len__(self) -> int:
        return len(self._features)

    def get(self, key: str) -> CaptionFeatures | None:
        if key in self._features:
            self._features.move_to_end(key)
            return self._features[key]
        features = None if self.folder is None else _read(self._path(key))
        if features is not None:
            self._remember(key, features)
        return features

    def put(self, key: str, features: CaptionFeatures) -> None:
        self._remember(key, features)
        if self.folder is not None:
            path = self._path(key)
            path.parent.mkdir(parents=True, exist_ok=True)
            with replace_file(path) as file:
                torch.save(tuple(features), file)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f'{key}.pt'

    def _remember(self, key: str, features: CaptionFeatures) -> None:
        self._features[key] = features
        self.num_bytes += features.num_bytes
        while self.num_bytes > self.max_bytes:
            self.num_bytes -= self._features.popitem(last=False)[1].num_bytes


class Fingerprint:
    """SHA-256 of the weights of a model and of its config, if it is one of transformers, or else of its layers;
    computed again if a weight has changed."""

    def __init__(self) -> None:
        self._weights: list[tuple[int, int]] = []
        self._digest = ''

    def of(self, model: nn.Module) -> str:
        weights = [(value.data_ptr(), value._version) for value in model.parameters()]
        if weights != self._weights:
            config = model.config.to_json_string() if hasattr(model, 'config') else repr(model)
            self._digest = digest([config, digest_weights(model)])
            self._weights = weights
        return self._digest


def feature_key(fingerprint: str, ids: Sequence[int]) -> str:
    """The key of a caption's features, made of the model's fingerprint and the tokens' ids."""
    return digest([fingerprint, repr(list(ids))])


def _read(path: Path) -> CaptionFeatures | None:
    try:
        return CaptionFeatures(*torch.load(path, map_location='cpu', weights_only=True))
    except (FileNotFoundError, EOFError, RuntimeError, UnpicklingError):  # not there, or torn by a power cut
        return None
