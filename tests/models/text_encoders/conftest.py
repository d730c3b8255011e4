"""A tokenizer, the config of a small RoBERTa, and its weights in another folder."""
import pytest
import torch

from mmdet_ext.models.text_encoders.language_model import build_language_model
from mmdet_ext.models.text_encoders.tokenization import load_tokenizer
from mmdet_ext.models.text_encoders.tokenizer_training import save_encoder_folder, train_tokenizer

TEXTS = ['a red circle left of the blue square', 'two dogs and a cat run over the green grass', 'the small cat sits']


@pytest.fixture(scope='session')
def text_folder(tmp_path_factory) -> str:
    """What `RobertaTextEncoder(folder, pretrained=False)` takes."""
    folder = tmp_path_factory.mktemp('text') / 'encoder'
    save_encoder_folder(train_tokenizer(TEXTS, 300), folder, layers=2, hidden_size=32, heads=2)
    return str(folder)


@pytest.fixture(scope='session')
def weights_folder(text_folder, tmp_path_factory) -> str:
    """The same with weights, far from those that RoBERTa begins with."""
    folder = tmp_path_factory.mktemp('text') / 'weights'
    torch.manual_seed(1)
    model = build_language_model(text_folder, pretrained=False, config=None)
    with torch.no_grad():
        for value in model.parameters():
            value.add_(torch.randn_like(value) * 0.2)
    model.save_pretrained(folder)
    load_tokenizer(text_folder).save_pretrained(folder)
    return str(folder)
