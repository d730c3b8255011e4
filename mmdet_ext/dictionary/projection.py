"""Features of one width become features of another: PCA downwards, an orthonormal map upwards."""
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.stats import ortho_group
from sklearn.decomposition import PCA


@dataclass
class Projection:
    """normalise((f - mean) @ matrix), or f itself.

    Args:
        kind: 'identity', 'pca' or 'pad'.
        mean: (d, ) float32; None for the identity.
        matrix: (d, C) float32; None for the identity.
    """
    kind: str
    mean: np.ndarray | None = None
    matrix: np.ndarray | None = None

    def apply(self, features: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Project unit features.

        Args:
            features: (n, d) float32.
            out: (n, C) float32, filled with unit rows; zeros where nothing is left of a feature.

        Returns:
            (n, ) bool, the rows that are not zero.
        """
        if self.kind == 'identity':
            out[:] = features
            return out.any(axis=1)
        np.matmul(features, self.matrix, out=out)
        out -= self.mean @ self.matrix
        norms = np.sqrt(np.einsum('nc,nc->n', out, out))
        left = norms > 1e-5
        out[~left] = 0
        out /= np.where(left, norms, 1)[:, None]
        return left

    def record(self, source: str) -> dict[str, Any]:
        """As in `Atoms.projections`."""
        if self.kind == 'identity':
            return dict(source=source, kind=self.kind)
        mean, matrix = torch.from_numpy(self.mean), torch.from_numpy(self.matrix)
        return dict(source=source, kind=self.kind, mean=mean, matrix=matrix)


def fit_projection(features: np.ndarray, channels: int, rng: np.random.Generator, *, source: str) -> Projection:
    """The projection of features (n, d) to the width `channels`.

    Wider features are projected onto their first `channels` principal components. Narrower ones are padded with zeros
    and rotated at random, so that all inner products stay as they are and no channel is left empty.

    Args:
        features: Unit rows, float32.
        channels: C.
        rng: Draws the rotation.
        source: Name for the error.

    Raises:
        ValueError: If there are fewer features than principal components.
    """
    count, width = features.shape
    if width == channels:
        return Projection('identity')
    if width < channels:
        rotation = ortho_group.rvs(channels, random_state=rng)[:width]
        return Projection('pad', np.zeros(width, np.float32), rotation.astype(np.float32))
    if count < channels:
        raise ValueError(f'{source}: PCA from {width} to {channels} channels needs at least {channels} samples, '
                         f'got {count}')
    pca = PCA(channels, svd_solver='covariance_eigh').fit(features)  # exact, without a copy of the features
    return Projection('pca', pca.mean_.astype(np.float32), np.ascontiguousarray(pca.components_.T, np.float32))
