"""Configs of models made small: random weights in the place of downloads, few queries, proposals and layers."""
import copy
from pathlib import Path
from typing import Any

from mmengine.config import ConfigDict

from ..text.tokenizer_training import save_encoder_folder, train_tokenizer

WORDS = ('[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', '.', '?', 'cat', 'red', 'dog')
MOST_QUERIES = 60  # two-stage detectors take their queries from the cells of such small images
MOST_LAYERS = 2  # of encoders and decoders, to save time
MOST_PROPOSALS = 50


def offline(cfg: ConfigDict, texts: Path) -> ConfigDict:
    """A model's config that downloads nothing and suits small images: random weights, small text encoders, few
    queries, proposals and layers."""
    cfg = _replace(copy.deepcopy(cfg), texts)
    if 'batch_augments' in (cfg.get('data_preprocessor') or {}):
        cfg.data_preprocessor.batch_augments = None  # which ask a runner for its iteration
    if cfg.get('num_queries', 0) > MOST_QUERIES:
        cfg.num_queries = MOST_QUERIES
        cfg.test_cfg = ConfigDict(cfg.get('test_cfg') or {}, max_per_img=MOST_QUERIES)
    for proposals in ((cfg.get('train_cfg') or {}).get('rpn_proposal'), (cfg.get('test_cfg') or {}).get('rpn')):
        if proposals:
            proposals.max_per_img = MOST_PROPOSALS
    for coder in (cfg.get('encoder'), cfg.get('decoder')):
        if coder and not isinstance(coder.get('multi_scale'), tuple):  # which says something of each layer
            coder.num_layers = min(coder.num_layers, MOST_LAYERS)
            if 'num_cp' in coder:
                coder.num_cp = 0  # layers that save memory, by the package fairscale
    return cfg


def _replace(node: Any, texts: Path) -> Any:
    if isinstance(node, dict):
        for key, value in node.items():
            pretrained = (key == 'init_cfg' and isinstance(value, dict) and 'checkpoint' in value) \
                or (key == 'pretrained' and isinstance(value, str))
            node[key] = None if pretrained else _replace(value, texts)
        if node.get('type') == 'RobertaTextEncoder':
            node.update(name=str(texts / 'roberta'), pretrained=False)
    elif isinstance(node, (list, tuple)):
        return type(node)(_replace(value, texts) for value in node)
    return str(texts / 'bert') if node == 'bert-base-uncased' else node


def save_small_texts(folder: Path) -> None:
    """Write into `folder` small text encoders of random weights, `bert` and `roberta`, in the place of those that would
    be downloaded."""
    save_small_bert(folder / 'bert')
    save_encoder_folder(train_tokenizer(['cat . red dog'], 300), folder / 'roberta', layers=1, hidden_size=32, heads=2)


def save_small_bert(folder: Path) -> None:
    """Write config, tokenizer and random weights of a BERT of two layers that knows WORDS. GLIP's fusion needs the 768
    channels."""
    from transformers import BertConfig, BertModel, BertTokenizerFast  # only here: importing it takes seconds

    config = BertConfig(vocab_size=len(WORDS), hidden_size=768, num_hidden_layers=2, num_attention_heads=2,
                        intermediate_size=64)
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    Path(folder, 'vocab.txt').write_text('\n'.join(WORDS), encoding='utf-8')
    BertTokenizerFast.from_pretrained(folder).save_pretrained(folder)
