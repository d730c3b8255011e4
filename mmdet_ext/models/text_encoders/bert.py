"""The BERT of mmdet's GLIP and Grounding DINO, for transformers 4 and 5."""
from typing import Any

from mmdet.models.language_models import BertModel
from mmdet.registry import MODELS

from ...compat.transformers_version import adapt_bert
from ...text.hub import load_files


@MODELS.register_module()
class BertLanguageModel(BertModel):
    """mmdet 3.3's `BertModel`, made for transformers 4, with the same weights and results under transformers 5.

    `compat.apply` makes the same of `BertModel` itself, without the message about files that are missing.

    Args:
        name: Folder with config, tokenizer and weights, or name on the Hugging Face Hub.
        kwargs: As for mmdet's BertModel.

    Raises:
        OSError: The files are neither there nor to be downloaded.
    """

    def __init__(self, name: str = 'bert-base-uncased', **kwargs: Any) -> None:
        from transformers import AutoConfig  # only here: other detectors need no transformers

        load_files(AutoConfig.from_pretrained, name, argument='name', what='config')  # an error that says what to do
        super().__init__(name, **kwargs)
        adapt_bert(self)
