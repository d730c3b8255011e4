"""What the tests of configs share."""
from pathlib import Path

import pytest

from mmdet_ext.experiments.small_models import save_small_texts


@pytest.fixture(scope='session')
def text_encoders(tmp_path_factory) -> Path:
    """A folder of small text encoders in the place of those that would be downloaded: `bert` and `roberta`."""
    folder = tmp_path_factory.mktemp('texts')
    save_small_texts(folder)
    return folder


@pytest.fixture(scope='session')
def bert_folder(text_encoders) -> str:
    return str(text_encoders / 'bert')
