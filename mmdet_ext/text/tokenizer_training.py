"""A byte-level BPE tokenizer like RoBERTa's (https://arxiv.org/abs/1907.11692, section 4.4), trained on own texts."""
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from .positive_map import NUM_COLUMNS

if TYPE_CHECKING:
    from transformers import RobertaTokenizerFast

# RoBERTa-base where transformers' RobertaConfig says otherwise, or nothing that is sure to stay.
PUBLISHED = dict(vocab_size=50265, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5,
                 bos_token_id=0, pad_token_id=1, eos_token_id=2)
SPECIAL_TOKENS = ('<s>', '<pad>', '</s>', '<unk>', '<mask>')
SMALLEST = 256 + len(SPECIAL_TOKENS)


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> 'RobertaTokenizerFast':
    """A tokenizer of at most `vocab_size` tokens, 261 or more; the same texts give the same one.

    Every byte is a token, so that it reads any text; special tokens come first, `<s>` 0, `<pad>` 1 and `</s>` 2 as
    published.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import RobertaTokenizerFast

    if vocab_size < SMALLEST:
        raise ValueError(f'vocab_size should be {SMALLEST} (256 bytes and {len(SPECIAL_TOKENS)} special tokens) or '
                         f'more, got {vocab_size}')
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=list(SPECIAL_TOKENS), show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    with tempfile.TemporaryDirectory() as folder:  # the constructor's arguments differ between transformers 4 and 5
        trained.model.save(folder)  # vocab.json and merges.txt
        return RobertaTokenizerFast.from_pretrained(folder, model_max_length=NUM_COLUMNS)


def save_encoder_folder(tokenizer: 'RobertaTokenizerFast', folder: str | Path, *, layers: int, hidden_size: int,
                        heads: int, dropout: float = 0.1) -> None:
    """Write what `RobertaTextEncoder(folder, pretrained=False)` reads: the tokenizer and a RobertaConfig.

    `hidden_size` is a multiple of the attention's `heads`, and `dropout` the probability in all layers, in [0, 1).
    """
    from transformers import RobertaConfig

    if min(layers, hidden_size, heads) < 1 or hidden_size % heads:
        raise ValueError(f'layers, hidden_size and heads should be positive and hidden_size a multiple of heads, got '
                         f'{layers}, {hidden_size} and {heads}')
    if not 0 <= dropout < 1:
        raise ValueError(f'dropout should be in [0, 1), got {dropout}')
    sizes = dict(vocab_size=len(tokenizer), max_position_embeddings=NUM_COLUMNS + tokenizer.pad_token_id + 1)
    config = RobertaConfig(**{**PUBLISHED, **sizes}, num_hidden_layers=layers, hidden_size=hidden_size,
                           num_attention_heads=heads, intermediate_size=4 * hidden_size,
                           hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout)
    Path(folder).mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    tokenizer.backend_tokenizer.model.save(str(folder))  # vocab.json and merges.txt
    config.save_pretrained(folder)
