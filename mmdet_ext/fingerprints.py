"""Hashes of texts, arrays, weights and files."""
import hashlib
import os
from collections.abc import Iterable

import numpy as np
import torch
import torch.nn as nn


def digest(parts: Iterable[str | np.ndarray]) -> str:
    """SHA-256 of texts and arrays in their order, as hexadecimal digits."""
    sha256 = hashlib.sha256()
    for part in parts:
        content = part.encode('utf-8', 'surrogateescape') if isinstance(part, str) else part.tobytes()
        sha256.update(f'{len(content)}:'.encode())
        sha256.update(content)
    return sha256.hexdigest()


def digest_file(path: str | os.PathLike) -> str:
    """SHA-256 of the content of a file."""
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def digest_weights(module: nn.Module) -> str:
    """SHA-256 of the names and values of a module's parameters and buffers."""

    def parts() -> Iterable[str | np.ndarray]:
        for name, value in module.state_dict().items():
            yield f'{name} {tuple(value.shape)} {value.dtype}'
            yield value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()

    return digest(parts())
