"""Features of one width become features of another: PCA downwards, an orthonormal map upwards."""
from typing import Any

import numpy as np
import torch
from scipy.stats import ortho_group
from sklearn.decomposition import PCA


def fit_projection(features: np.ndarray, channels: int, rng: np.random.Generator, *, source: str) -> dict[str, Any]:
    """The projection of unit features (n, d) to the width `channels`, as in `Atoms.projections`.

    Wider features are projected onto their first `channels` principal components, which needs as many features (else
    ValueError). Narrower ones are padded with zeros and rotated at random, so that all inner products stay as they are
    and no channel is left empty.
    """
    count, width = features.shape
    if width == channels:
        return dict(source=source, kind='identity')
    if width < channels:
        kind, mean = 'pad', np.zeros(width)
        matrix = ortho_group.rvs(channels, random_state=rng)[:width]
    elif count < channels:
        raise ValueError(f'{source}: PCA from {width} to {channels} channels needs at least {channels} samples, '
                         f'got {count}')
    else:
        pca = PCA(channels, svd_solver='covariance_eigh').fit(features)  # exact, without a copy of the features
        kind, mean, matrix = 'pca', pca.mean_, np.ascontiguousarray(pca.components_.T)
    return dict(source=source, kind=kind, mean=torch.from_numpy(mean).float(), matrix=torch.from_numpy(matrix).float())


def project(features: np.ndarray, projection: dict[str, Any], out: np.ndarray) -> np.ndarray:
    """Fill `out` (n, C) with projected unit features (n, d), zeros where nothing is left of one.

    `projection` is one of `fit_projection`, not the identity; arrays are float32. Returns which rows are not zero.
    """
    mean, matrix = projection['mean'].numpy(), projection['matrix'].numpy()
    np.matmul(features, matrix, out=out)
    out -= mean @ matrix
    norms = np.sqrt(np.einsum('nc,nc->n', out, out))
    left = norms > 1e-5
    out[~left] = 0
    out /= np.where(left, norms, 1)[:, None]
    return left
