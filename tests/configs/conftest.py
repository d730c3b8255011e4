"""What the tests of configs share."""
import pytest
from small_bert import save_small_bert


@pytest.fixture(scope='session')
def bert_folder(tmp_path_factory) -> str:
    """A small BERT in the place of the one that would be downloaded."""
    folder = tmp_path_factory.mktemp('bert')
    save_small_bert(folder)
    return str(folder)
