from pathlib import Path

import cv2
import numpy as np
import pytest


@pytest.fixture
def image_file(tmp_path) -> Path:
    """An image of 96 x 64 pixels (width, height) of random colours."""
    path = tmp_path / 'noise.png'
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8))
    return path
