"""Fixtures that all tests share."""
import os

# One thread each: the tests are small, and threads that wait for a core of a busy machine cost them seconds.
os.environ.setdefault('OMP_NUM_THREADS', '1')

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope

import mmdet_ext  # noqa: F401  registers what the tests name by `type`


@pytest.fixture(autouse=True)
def mmdet_scope():
    init_default_scope('mmdet')


@pytest.fixture(autouse=True)
def fixed_seeds():
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(scope='session')
def coco128() -> Path:
    """Folder with annotations/instances_train2017.json, train2017/ and their val2017 twins: 128 pictures of COCO."""
    folder = os.environ.get('MMDET_EXT_COCO128')
    if not folder:
        pytest.skip('MMDET_EXT_COCO128 is not set to a folder of coco128')
    if not Path(folder, 'annotations', 'instances_train2017.json').is_file():
        pytest.fail(f'MMDET_EXT_COCO128={folder} has no annotations/instances_train2017.json')
    return Path(folder)
