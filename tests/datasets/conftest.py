"""What the tests of data sets and transforms share."""
import os
from pathlib import Path

import pytest
from mmengine.registry import DefaultScope


@pytest.fixture(autouse=True)
def mmdet_scope():
    """Let pipelines find mmdet's transforms, as a runner does."""
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


@pytest.fixture
def coco128() -> Path:
    """Folder of coco128 in COCO's layout."""
    folder = os.environ.get('MMDET_EXT_COCO128')
    if not folder:
        pytest.skip('MMDET_EXT_COCO128 does not name the folder of coco128')
    return Path(folder)
