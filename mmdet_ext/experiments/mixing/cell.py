"""One cell of the grid: a detector with a part is built, trained for two steps, run, saved and loaded."""
import copy
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn as nn
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import ConfigDict
from mmengine.logging import MMLogger
from mmengine.structures import InstanceData

from ...text.tokenizer_training import save_encoder_folder, train_tokenizer
from .hosts import Host
from .parts import Part

TRAINED = ((96, 128), (96, 128))  # height and width of the two images of a batch
PREDICTED = ((96, 128), (64, 96))
BOXES = (((10., 10, 60, 90), (40, 20, 120, 80)), ((5., 8, 60, 50), ))
WORDS = ('[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', '.', '?', 'cat', 'red', 'dog')
CLASSES = ('cat', 'red dog')
MOST_QUERIES = 60  # two-stage detectors take their queries from the cells of such small images
MOST_LAYERS = 2  # of encoders and decoders, to save time
MOST_PROPOSALS = 50


class Outcome(NamedTuple):
    """status: 'works', 'has it' (the host as it is has the part), 'no' with a reason, or 'fails' with a message."""
    status: str
    message: str = ''


def try_cell(host: Host, part: Part, texts: Path) -> Outcome:
    """Try a part in a host.

    Args:
        host: The detector.
        part: The part.
        texts: Folder of `save_small_texts`.
    """
    with tempfile.TemporaryDirectory() as folder:
        wanted = part.tries(host, host.read(Path(folder)))
        if isinstance(wanted, str):
            return Outcome('no', wanted)
        cfg = host.read(Path(folder), wanted.lines)
    try:
        check_model(cfg, () if wanted.reason else part.weights, texts)
    except Exception as error:
        message = f'{type(error).__name__}: {" ".join(str(error).split())}'
        if wanted.reason and isinstance(error, ValueError) and wanted.reason in message:
            return Outcome('no', str(error))
        return Outcome('fails', message)
    if wanted.reason:
        return Outcome('fails', f'works, and should raise a ValueError with {wanted.reason!r}')
    return Outcome('works' if wanted.lines or not part.weights else 'has it')


def check_model(cfg: ConfigDict, weights: Sequence[str], texts: Path) -> None:
    """Raise an error unless a model trains, predicts and loads its own state.

    Args:
        cfg: Its config, which is not changed.
        weights: Beginnings (or, with a dot in front, parts) of the names of parameters that must get a gradient.
        texts: Folder of `save_small_texts`.
    """
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.WARNING)  # mmengine logs how each parameter begins
    try:
        torch.manual_seed(0)
        cfg = offline(cfg, texts)
        model = MODELS.build(copy.deepcopy(cfg))
        model.init_weights()
        kind = dict(captioned=hasattr(model, 'text_encoder'), masked=_predicts_masks(cfg))
        _train(model, weights, batch(TRAINED, **kind))
        loaded = MODELS.build(copy.deepcopy(cfg))
        _load(loaded, model.state_dict())
        images = batch(PREDICTED, **kind)
        for first, second in zip(_predict(model, images), _predict(loaded, images), strict=True):
            for name in ('bboxes', 'scores', 'labels'):
                if not first[name].equal(second[name]):
                    raise AssertionError(f'{name} differ after a round trip of the state')
    finally:
        logger.setLevel(level)


def offline(cfg: ConfigDict, texts: Path) -> ConfigDict:
    """A model's config that downloads nothing and suits small images: random weights, small text encoders, few
    queries, proposals and layers."""
    cfg = _replace(copy.deepcopy(cfg), texts)
    if 'batch_augments' in cfg.data_preprocessor:
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
    return cfg


def _replace(node: Any, texts: Path) -> Any:
    if isinstance(node, dict):
        for key, value in node.items():
            node[key] = None if key == 'init_cfg' and isinstance(value, dict) and value.get('type') == 'Pretrained' \
                else _replace(value, texts)
        if node.get('type') == 'RobertaTextEncoder':
            node.update(name=str(texts / 'roberta'), pretrained=False)
    elif isinstance(node, (list, tuple)):
        return type(node)(_replace(value, texts) for value in node)
    return str(texts / 'bert') if node == 'bert-base-uncased' else node


def _load(model: nn.Module, state: dict[str, torch.Tensor]) -> None:
    """Load a state with all names of the model and no others, but second names of the same weights: DDQ gives some of
    its weights another name when it is first trained."""
    keys = model.load_state_dict(state, strict=False)
    known = {state[name].data_ptr() for name in state.keys() - set(keys.unexpected_keys)}
    unexpected = [name for name in keys.unexpected_keys if state[name].data_ptr() not in known]
    if keys.missing_keys or unexpected:
        raise AssertionError(f'the state of a second model has not {unexpected}, and has {keys.missing_keys}')


def _predicts_masks(cfg: ConfigDict) -> bool:
    roi_head, head = cfg.get('roi_head') or {}, cfg.get('bbox_head') or {}
    return bool(roi_head.get('mask_head') or 'loss_mask' in head)


def _train(model: nn.Module, weights: Sequence[str], data: dict) -> None:
    model.train()
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    learning = {name: False for name in parameters
                if any(f'.{name}'.find(start) >= 0 if start[0] == '.' else name.startswith(start) for start in weights)}
    if weights and not learning:
        raise AssertionError(f'no parameter begins with {" or ".join(weights)}')
    optimizer = torch.optim.SGD(parameters.values(), lr=1e-4)
    for _ in range(2):
        losses = model(**model.data_preprocessor(copy.deepcopy(data), training=True), mode='loss')
        total, _ = model.parse_losses(losses)
        if not total.isfinite():
            raise AssertionError(f'the loss is {total.item()}')
        optimizer.zero_grad()
        total.backward()
        for name in learning:
            gradient = parameters[name].grad
            if gradient is None:
                raise AssertionError(f'{name} gets no gradient')
            if not gradient.isfinite().all():
                raise AssertionError(f'the gradient of {name} is not finite')
            learning[name] |= bool(gradient.any())
        nn.utils.clip_grad_norm_(parameters.values(), 1.)
        optimizer.step()
    # the gradient is 0 on levels that have no object, or no anchor among those that are drawn
    if learning and sum(learning.values()) < len(learning) / 4:
        raise AssertionError(f'only {sum(learning.values())} of {len(learning)} parameters of the part have a gradient '
                             'other than 0')


@torch.no_grad()
def _predict(model: nn.Module, data: dict) -> list[InstanceData]:
    model.eval()
    samples = model(**model.data_preprocessor(copy.deepcopy(data)), mode='predict')
    results = [sample.pred_instances for sample in samples]
    for result in results:
        if result.bboxes.shape != (len(result.scores), 4) or not result.bboxes.isfinite().all():
            raise AssertionError(f'boxes of shape {tuple(result.bboxes.shape)} are not finite, or not one per score')
    return results


def batch(sizes: Sequence[tuple[int, int]], *, captioned: bool, masked: bool) -> dict:
    """Two images of these sizes (height, width) with boxes, classes and texts, as mmdet's data loaders give them, and
    with masks."""
    generator, samples, images = torch.Generator().manual_seed(0), [], []
    for number, ((height, width), boxes) in enumerate(zip(sizes, BOXES)):
        instances = InstanceData(bboxes=torch.tensor(boxes), labels=torch.arange(len(boxes)))
        if masked:
            masks = np.zeros((len(boxes), height, width), dtype=np.uint8)
            for mask, (x1, y1, x2, y2) in zip(masks, boxes):
                mask[int(y1):int(y2), int(x1):int(x2)] = 1
            instances.masks = BitmapMasks(masks, height, width)
        meta = dict(img_shape=(height, width), ori_shape=(height, width), pad_shape=(height, width),
                    scale_factor=(1., 1.), img_id=number, text=CLASSES, custom_entities=True)
        if captioned:
            instances.labels = torch.zeros(len(boxes), dtype=torch.long)
            instances.tokens_positive = [[[0, 3]], [[6, 13]]][:len(boxes)]
            meta['text'] = 'cat . red dog'
        samples.append(DetDataSample(gt_instances=instances, metainfo=meta))
        images.append(torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator))
    return dict(inputs=images, data_samples=samples)


def save_small_texts(folder: Path) -> None:
    """Write into `folder` small text encoders of random weights, `bert` and `roberta`, in the place of those that would
    be downloaded."""
    save_small_bert(folder / 'bert')
    save_encoder_folder(train_tokenizer(['cat . red dog'], 300), folder / 'roberta', layers=1, hidden_size=32, heads=2)


def save_small_bert(folder: Path) -> None:
    """Write config, tokenizer and random weights of a BERT of two layers, 32 wide, that knows WORDS."""
    from transformers import BertConfig, BertModel, BertTokenizerFast  # only here: importing it takes seconds

    config = BertConfig(vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
                        intermediate_size=64)
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    Path(folder, 'vocab.txt').write_text('\n'.join(WORDS))
    BertTokenizerFast.from_pretrained(folder).save_pretrained(folder)
