"""The text encoder that MDETR begins with."""
import json
from collections.abc import Iterable
from pathlib import Path

from ..text.tokenization import load_tokenizer
from ..text.tokenizer_training import save_encoder_folder, train_tokenizer
from .models import Model
from .weights import HERE, NONE

VOCAB_SIZE = 2000


def text_encoder(
        model: Model, weights: str | None, captions: Path, folder: Path) -> tuple[tuple[str, bool] | None, str]:
    """Name of the text encoder and whether its weights are loaded (None: as the config says), and a sentence about it.

    The small models, and those that begin with random weights, get a tokenizer and a small RoBERTa of the captions. The
    others read RoBERTa-base, with its weights unless a checkpoint brings them.

    Args:
        model: The model; one of boxes has no text encoder.
        weights: As for `weights.beginning`.
        captions: Annotation file of the training set.
        folder: Of the run, which gets the folder ``text``.

    Raises:
        OSError: RoBERTa-base is neither on this machine nor to be downloaded; the message has the command.
    """
    if model.kind == 'boxes':
        return None, ''
    if model.name != 'mdetr-r18' and weights != NONE:
        load_tokenizer('roberta-base', 'model.text_encoder.name')
        return (('roberta-base', False), '') if weights else (None, 'The text encoder begins with RoBERTa-base')
    out = folder / 'text'
    if not (out / 'config.json').is_file():
        tokenizer = train_tokenizer(_captions(captions), VOCAB_SIZE)
        save_encoder_folder(tokenizer, out, layers=2, hidden_size=128, heads=4)
    return (HERE + out.name, False), f'A tokenizer and a small text encoder for these captions: {out}'


def _captions(file: Path) -> Iterable[str]:
    return list(dict.fromkeys(image['caption'] for image in json.loads(file.read_bytes())['images']))
