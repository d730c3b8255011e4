"""Any text model of transformers: its files, how many tokens it reads, and one feature for each text."""
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn as nn
from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

POOLINGS = ('mean', 'cls', 'last')


def load_text_model(name: str, *, pretrained: bool = True,
                    argument: str = 'model') -> 'tuple[PreTrainedTokenizerBase, nn.Module]':
    """Tokenizer and model in float32 and evaluation mode, frozen, from a folder, the Hub's cache, or else the Hub.

    Of an encoder-decoder the encoder is taken, of CLIP the text tower with its projection.

    Args:
        name: Folder with config, weights and tokenizer, or name on the Hugging Face Hub.
        pretrained: Whether to load the weights; otherwise they are random, and there need not be any.
        argument: What the user calls `name`, for errors.

    Raises:
        OSError: The model is neither there nor to be downloaded.
        ValueError: It is no text model with its weights and tokenizer.
    """
    from transformers import AutoConfig, AutoTokenizer  # only here: most detectors need no transformers

    if not Path(name).is_dir() and (Path(name).is_absolute() or name.startswith('.') or name.count('/') > 1):
        raise FileNotFoundError(f'{argument}={name}: there is no such folder (seen from {Path.cwd()})')
    for local in (True, False):  # the cache first: without a network each file on the Hub takes half a minute to fail
        try:
            config = AutoConfig.from_pretrained(name, local_files_only=local)
            tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=local)
            model, missing = _build(name, config, local) if pretrained else (_class_of(config)[1](config), [])
            break
        except OSError as error:
            if local and not Path(name).is_dir():
                continue
            reason = str(error).splitlines()[0]
            raise OSError(f'{argument}={name} cannot be had: {reason} Pass a folder with config, weights and '
                          'tokenizer, as save_pretrained writes it') from error
        except ValueError as error:
            raise ValueError(f'{argument}={name}: {str(error).splitlines()[0]}') from error
    missing = sorted(key for key in missing if 'pooler' not in key)  # poolers are not used here
    problems = {
        f' lacks {len(missing)} weights of {type(model).__name__}: {", ".join(missing[:3])}': missing,
        f' is a {config.model_type}, which is no model of text alone': not hasattr(model.config, 'hidden_size'),
        # what transformers makes up where the files are missing
        f' has no tokenizer: its vocabulary is {tokenizer.all_special_tokens}':
            len(tokenizer) <= len(tokenizer.all_special_ids),
        ': its tokenizer has neither a padding nor an end token':
            tokenizer.pad_token is None and tokenizer.eos_token is None}
    if wrong := [problem for problem, is_there in problems.items() if is_there]:
        raise ValueError(f'{argument}={name}{wrong[0]}')
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    tokenizer.padding_side = tokenizer.truncation_side = 'right'
    model = model.get_encoder() if config.is_encoder_decoder else model
    return tokenizer, model.eval().requires_grad_(False)


def longest_text(tokenizer: 'PreTrainedTokenizerBase', model: nn.Module) -> int | None:
    """How many tokens the model reads at most; None for no limit."""
    positions = getattr(model.config, 'max_position_embeddings', None)
    table = getattr(getattr(model, 'embeddings', None), 'position_embeddings', None)
    if positions is not None and getattr(table, 'padding_idx', None) is not None:
        positions -= table.padding_idx + 1  # RoBERTa counts positions from behind the padding token's
    said = tokenizer.model_max_length if tokenizer.model_max_length < 1_000_000 else None  # 1e30 where it is not known
    return min((limit for limit in (positions, said) if limit), default=None)


def pool_tokens(hidden: Tensor, mask: Tensor, pooling: str) -> Tensor:
    """Features of tokens (B, L, D), padded behind, to one of each text (B, D).

    Args:
        hidden: Of the tokens.
        mask: (B, L), 1 for tokens and 0 for padding.
        pooling: Over the tokens of a text, those that the tokenizer adds included: their 'mean', the first ('cls') or
            the 'last' one, which is the one that has seen the others in a decoder.
    """
    if pooling == 'cls':
        return hidden[:, 0]
    if pooling == 'last':
        return hidden[torch.arange(len(hidden), device=hidden.device), mask.sum(dim=1) - 1]
    weight = mask[..., None].to(hidden.dtype)
    return (hidden * weight).sum(dim=1) / weight.sum(dim=1)


def _class_of(config: object) -> tuple[type, object]:
    """The class to load weights with, and a function that builds a model with random weights from a config."""
    from transformers import AutoModel, CLIPTextModelWithProjection

    if config.model_type == 'clip':
        return CLIPTextModelWithProjection, lambda clip: CLIPTextModelWithProjection(clip.text_config)
    return AutoModel, AutoModel.from_config


def _build(name: str, config: object, local: bool) -> tuple[nn.Module, list[str]]:
    """The model with its weights, and the names of those that the files lack."""
    kind, _ = _class_of(config)
    options = {} if config.model_type == 'clip' else dict(config=config)  # CLIP's text tower has a config of its own
    model, info = kind.from_pretrained(name, local_files_only=local, output_loading_info=True, **options)
    # transformers 5 gives the files' precision unless it is told one, by an argument that transformers 4 does not know
    return model.float(), sorted(info['missing_keys'])
