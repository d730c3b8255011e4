"""A BERT that needs no download."""
from pathlib import Path

from transformers import BertConfig, BertModel, BertTokenizer

WORDS = ('[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', '.', '?', 'cat', 'red', 'dog')


def save_small_bert(folder: str | Path) -> None:
    """Write config, tokenizer and random weights of a BERT of two layers, 32 wide, that knows WORDS."""
    config = BertConfig(vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
                        intermediate_size=64)
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    BertTokenizer(vocab={word: index for index, word in enumerate(WORDS)}).save_pretrained(folder)
