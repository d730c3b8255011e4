"""What the inputs and outputs of an exported MDETR mean."""
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from ..models.dense_heads import grounded_instances
from ..models.detectors.mdetr import captions_of
from ..text.tokenization import Tokens, load_tokenizer, pad_tokens, tokenize
from . import smca
from .metadata import Metadata

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TOKENIZER = '.tokenizer'  # suffix of the folder beside the file


def feeds(metadata: Metadata, images: Tensor, samples: Sequence[DetDataSample]) -> dict[str, np.ndarray]:
    """The inputs of the file for a batch, by name: images, sizes and, if captions come in, their tokens (B, L).

    Raises:
        OSError: The tokenizer is not beside the file.
        ValueError: A caption is missing or too long.
    """
    first = smca.feeds(metadata, images, samples)
    if metadata.text['captions'] is not None:
        return first
    tokenizer, ids = _tokenizer_of(metadata), _tokens_of(metadata, samples).ids
    tokens = pad_tokens(ids, tokenizer.pad_token_id, max(map(len, ids)), torch.device('cpu'))
    return first | dict(zip(metadata.inputs[2:], (part.numpy() for part in tokens), strict=True))


def instances(metadata: Metadata, outputs: Mapping[str, np.ndarray],
              samples: Sequence[DetDataSample]) -> list[InstanceData]:
    """The detections of each image, with boxes in pixels of the original image: as `MDETR` predicts them."""
    if metadata.text['prompts']:
        return smca.instances(metadata, outputs, samples)
    boxes, probabilities = (torch.from_numpy(outputs[name]).float() for name in ('boxes', 'tokens'))
    ratios = torch.tensor([[original / given for given, original in zip(sample.img_shape[:2], sample.ori_shape[:2])]
                           for sample in samples])  # (B, 2), of height and width
    boxes = boxes * ratios.flip(1).repeat(1, 2).unsqueeze(1)
    final = torch.from_numpy(outputs['referent']).float() if 'referent' in outputs else None
    if metadata.text['captions'] is None:
        offsets = _tokens_of(metadata, samples).offsets
    else:
        offsets = [metadata.text['offsets'][0]] * len(samples)
        for sample in samples:
            sample.set_metainfo(dict(text=metadata.text['captions'][0]))
    return grounded_instances(boxes, probabilities, final, offsets, samples, metadata.text['phrase_fraction'])


def _tokens_of(metadata: Metadata, samples: Sequence[DetDataSample]) -> Tokens:
    return tokenize(_tokenizer_of(metadata), captions_of(samples), metadata.text['max_tokens'])


def _tokenizer_of(metadata: Metadata) -> 'PreTrainedTokenizerBase':
    folder = metadata.file.with_suffix(TOKENIZER)
    if not folder.is_dir():
        raise FileNotFoundError(f'the tokenizer of {metadata.file} should lie beside it, in {folder}: copy both')
    return _load_tokenizer(str(folder.resolve()))


@lru_cache(maxsize=8)
def _load_tokenizer(folder: str) -> 'PreTrainedTokenizerBase':
    return load_tokenizer(folder, 'the tokenizer of the exported file')
