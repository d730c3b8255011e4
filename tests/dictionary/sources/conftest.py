"""Images for sources of features, among them broken ones."""
from pathlib import Path

import cv2
import numpy as np
import pytest


@pytest.fixture
def broken(tmp_path) -> dict[str, Path]:
    """A folder with whole images a.png, g.jpg and between them, in the order of names, five that cannot be read."""
    folder = tmp_path / 'broken'
    folder.mkdir()
    for name in ('a.png', 'b.png', 'c.jpg', 'g.jpg'):
        cv2.imwrite(str(folder / name), np.random.default_rng(0).integers(0, 255, (40, 60, 3)).astype(np.uint8))
    for name in ('b.png', 'c.jpg'):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[:len(content) * 3 // 4])
    (folder / 'd.jpg').write_text('this is no image')
    (folder / 'e.jpg').touch()
    (folder / 'f.jpg').write_bytes(b'\xff\xd8\xff\xe0' + bytes(100))
    return dict(folder=folder, bad=[folder / name for name in ('b.png', 'c.jpg', 'd.jpg', 'e.jpg', 'f.jpg')])
