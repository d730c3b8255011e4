"""The weights of a small RoBERTa in a folder."""
import pytest
import torch

from mmdet_ext.models.text_encoders.language_model import build_language_model
from mmdet_ext.text.tokenization import load_tokenizer


@pytest.fixture(scope='session')
def weights_folder(text_folder, tmp_path_factory) -> str:
    """What `text_folder` has, with weights that are far from those that RoBERTa begins with."""
    folder = tmp_path_factory.mktemp('text') / 'weights'
    torch.manual_seed(1)
    model = build_language_model(text_folder, pretrained=False, config=None)
    with torch.no_grad():
        for value in model.parameters():
            value.add_(torch.randn_like(value) * 0.2)
    model.save_pretrained(folder)
    load_tokenizer(text_folder).save_pretrained(folder)
    return str(folder)
