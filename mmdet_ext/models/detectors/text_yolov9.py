"""YOLOv9 asked by words: the classes are texts, given with each image or once for all."""
import copy
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample, SampleList
from mmengine.structures import InstanceData
from torch import Tensor

from ...text.prompts import prompt_text
from ...text.texts import borrow_texts, split_phrases
from ...transfers import to_device
from ..dense_heads import TextEmbeddings, TextYOLOv9Head
from ..layers.atoms import forget_atoms_files
from ..layers.kept_result import KeptResult
from ..text_encoders import check_texts
from ..transformers import TextMapFusion
from .pgi_detector import PGIDetector


@MODELS.register_module()
class TextYOLOv9(PGIDetector):
    """YOLOv9 whose class scores are similarities between the embeddings of cells and of texts (`TextYOLOv9Head`).

    What an image is asked for is `text` in the meta information of its sample: a list of texts; or one text, of which
    ' . ' separates several ('a red circle . a star'), or of which `tokens_positive_eval` says the phrases. Samples
    without it are asked for `classes`, or else for the classes of `dataset_meta`, which mmdet's inferencers set. The
    label of a box is the number of its text. Names of classes are read as `prompt_text` does: '_' is a space.

    In training a box may have several texts, `gt_instances.text_targets` (N, K_i), bool; without them its label counts.
    All other texts of the image are negatives, and so are up to `batch_negatives` texts of other images of the batch,
    for images with `borrows_texts` in their meta information, unless they share a word with a text of the image.

    `with_classes` gives a plain YOLOv9 of given classes.

    Args:
        text_encoder: Config of a `PhraseEncoder`: `OpenCLIPTextEncoder`, `TransformersTextEncoder`, `WordTextEncoder`.
        bbox_head: Config of a `TextYOLOv9Head`.
        aux_head: As for `PGIDetector`, with a `TextYOLOv9Head`, which is asked for the same texts.
        project_text: Whether a learned linear map brings the texts' features to the head's `embed_dims`. Without one
            they must have as many.
        fusion: Arguments of a `TextMapFusion` but for `text_channels`, by which a map of the backbone sees the texts;
            None for no fusion. With it the network reads the texts, and cannot become a plain YOLOv9.
        classes: What images are asked for that bring no text.
        batch_negatives: See above.
        kwargs: As for `PGIDetector`, but not `deployed` nor `cuda_graph`.

    Raises:
        ValueError: If parts do not fit, or an option is for other detectors.
    """

    def __init__(self, *, text_encoder: dict, bbox_head: dict, aux_head: dict | None = None,
                 project_text: bool = False, fusion: dict | None = None, classes: Sequence[str] | None = None,
                 batch_negatives: int = 0, **kwargs: Any) -> None:
        for option in ('deployed', 'cuda_graph'):
            if kwargs.get(option):
                raise ValueError(f'{option}=True is for a network of fixed classes: `tools/deploy.py --classes` writes '
                                 'one from a TextYOLOv9')
        if batch_negatives < 0:
            raise ValueError(f'batch_negatives should be 0 or more, got {batch_negatives}')
        plain = dict(kwargs, type='PGIDetector', bbox_head=bbox_head)
        compile_options = kwargs.pop('compile', None)
        super().__init__(bbox_head=bbox_head, aux_head=aux_head, **kwargs)
        self.plain_cfg = copy.deepcopy(plain)
        heads = dict(bbox_head=self.bbox_head) | {
            f'{self.aux_prefix(number)}head': head.head for number, head in enumerate(self.aux_heads)}
        for name, head in heads.items():
            if not isinstance(head, TextYOLOv9Head):
                raise ValueError(f'{name} of TextYOLOv9 should be a TextYOLOv9Head, got {type(head).__name__}')
        self.text_encoder = MODELS.build(text_encoder)
        width = self.text_encoder.embed_dims
        for name, head in heads.items():
            if head.embed_dims != self.bbox_head.embed_dims or not (project_text or head.embed_dims == width):
                raise ValueError(f'{name}.embed_dims={head.embed_dims} should be the width of the texts, which is '
                                 f'{self.bbox_head.embed_dims if project_text else width} here; project_text=True '
                                 'brings features of another width to it')
        self.text_projection = nn.Linear(width, self.bbox_head.embed_dims, bias=False) if project_text else None
        self.fusion = TextMapFusion(text_channels=self.bbox_head.embed_dims, **fusion) if fusion else None
        self.classes = None if classes is None else _names(classes, 'classes')
        self.batch_negatives = batch_negatives
        self.kept_embeddings = KeptResult()
        parts = [self.backbone, *([self.neck] if self.with_neck else []), self.bbox_head]
        parts += [part for head in self.aux_heads for part in (head.branch, head.head)]
        self.set_network_options(parts, channels_last=kwargs.get('channels_last'), compile=compile_options,
                                 cuda_graph=False, dynamic=False)

    def loss(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> dict[str, Tensor | list[Tensor]]:
        texts = self.embed(self._training_texts(batch_data_samples))
        images = self.to_memory_format(batch_inputs)
        feats = self.backbone(images)
        maps = self._neck_maps(feats, texts)
        outputs = self.bbox_head(maps, texts)
        gts = [sample.gt_instances for sample in batch_data_samples]
        metas = [sample.metainfo for sample in batch_data_samples]
        guided = any(head.lead_guided for head in self.aux_heads)
        assignment = self.bbox_head.assign(*outputs, gts) if guided else None
        losses = self.bbox_head.loss_by_feat(*outputs, gts, metas, assignment=assignment)
        for number, head in enumerate(self.aux_heads):
            added = head.head.loss(head(images, dict(backbone=feats, neck=maps)[head.source]), texts,
                                   batch_data_samples, assignment=assignment if head.lead_guided else None)
            losses |= {f'{self.aux_prefix(number)}{name}': value * head.loss_weight for name, value in added.items()}
        return losses

    def predict(self, batch_inputs: Tensor, batch_data_samples: SampleList, rescale: bool = True) -> SampleList:
        """Adds `pred_instances` to the samples: for each box `bboxes`, `scores`, `labels`, the number of its text, and
        `label_names`, the text; for an image whose `text` is one text also `phrases` and their `spans` of characters.
        Where `tokens_positive_eval` says the phrases, `phrase_scores` (N, P) has the score of each, 0 but for the
        label."""
        texts = [self.texts_of(sample) for sample in batch_data_samples]
        results = self.bbox_head.predict(*self._maps(batch_inputs, texts), batch_data_samples, rescale=rescale)
        for sample, names, instances in zip(batch_data_samples, texts, results, strict=True):
            instances.label_names = [names[label] for label in instances.labels.tolist()]
            if isinstance(sample.metainfo.get('text'), str):
                _add_phrases(instances, sample.metainfo)
        return self.add_pred_to_datasample(batch_data_samples, results)

    def extract_feat(self, batch_inputs: Tensor, texts: TextEmbeddings | None = None) -> tuple[Tensor, ...]:
        """The maps that the head gets; `texts` are needed with `fusion`."""
        return self._neck_maps(self.backbone(self.to_memory_format(batch_inputs)), texts)

    def texts_of(self, sample: DetDataSample) -> tuple[str, ...]:
        """What an image is asked for.

        Raises:
            ValueError: If nothing says it, or a text is empty.
        """
        text, image = sample.metainfo.get('text'), sample.metainfo.get('img_path', 'an image')
        if isinstance(text, str):
            spans = sample.metainfo.get('tokens_positive_eval')
            phrases = [phrase.words for phrase in split_phrases(text, spans)]
            return () if spans is not None and not phrases else tuple(check_texts(phrases, f'text={text!r} of {image}'))
        if text is not None:
            return _names(text, f'text of {image}')
        classes = self.classes or (getattr(self, 'dataset_meta', None) or {}).get('classes')
        if classes is None:
            raise ValueError(f'{image}: TextYOLOv9 needs to know what to look for: model.classes, `text` in the meta '
                             'information of the sample (return_classes=True of a data set, texts of an inferencer), '
                             'or dataset_meta')
        return _names(classes, 'the classes')

    def embed(self, texts: Sequence[Sequence[str]]) -> TextEmbeddings:
        """Encode the texts of each image of a batch. In evaluation the last result is kept until texts or weights
        change, the mode is set, or a state dict is loaded."""
        if not any(texts):  # images of captions that name nothing: none of their logits is of a text
            embeddings = self._encode(('nothing', )).unsqueeze(0)
            return TextEmbeddings(embeddings, embeddings.new_zeros(len(texts), 1, dtype=torch.bool))
        if all(names == texts[0] for names in texts):
            return TextEmbeddings(self._encode(texts[0]).unsqueeze(0))
        row_of = {name: number for number, name in enumerate(dict.fromkeys(name for row in texts for name in row))}
        longest = max(map(len, texts))
        rows = torch.tensor([[*map(row_of.get, row), *[-1] * (longest - len(row))] for row in texts])
        encoded = self._encode(tuple(row_of))
        rows = to_device(rows, encoded.device)
        return TextEmbeddings(encoded[rows.clamp(min=0)], rows >= 0)

    @torch.no_grad()
    def with_classes(self, classes: Sequence[str]) -> PGIDetector:
        """A YOLOv9 of these classes, which gives the same boxes and scores: the texts are folded into its head.

        Raises:
            ValueError: If `fusion` is set, or the classes are no list of texts.
        """
        names = _names(classes, 'classes')
        if self.fusion is not None:
            raise ValueError('fusion: a network whose neck reads the texts is no plain YOLOv9 for given classes; train '
                             'with fusion=None for one')
        cfg, (_, _, conv, _) = copy.deepcopy(self.plain_cfg), self.bbox_head.class_towers[0]
        head = {key: value for key, value in cfg['bbox_head'].items() if key not in ('embed_dims', 'usual_texts')}
        cfg['bbox_head'] = head | dict(type='YOLOv9Head', num_classes=len(names), class_channels=conv.in_channels)
        forget_atoms_files(cfg)
        plain = MODELS.build(cfg).to(conv.weight)
        plain.plain_cfg = cfg
        training, _ = self.training, self.eval()
        embeddings = self._encode(names)
        self.train(training)
        expected, state = plain.state_dict(), self.state_dict()
        for level in range(len(self.bbox_head.class_towers)):
            weight, bias = self.bbox_head.fold(level, embeddings)
            name = f'bbox_head.class_towers.{level}.2'
            state |= {f'{name}.weight': weight[:, :, None, None], f'{name}.bias': bias}
        plain.load_state_dict({key: state[key] for key in expected})
        plain.dataset_meta = dict(classes=tuple(classes))
        return plain.train(training)

    def _forward(self, batch_inputs: Tensor, batch_data_samples: SampleList | None = None) -> tuple:
        """The raw maps of the head for images (B, 3, H, W)."""
        samples = batch_data_samples or [DetDataSample()] * len(batch_inputs)
        return self.bbox_head(*self._maps(batch_inputs, [self.texts_of(sample) for sample in samples]))

    def _maps(self, images: Tensor, names: Sequence[Sequence[str]]) -> tuple[tuple[Tensor, ...], TextEmbeddings]:
        texts = self.embed(names)
        return self.extract_feat(images, texts), texts

    def _neck_maps(self, feats: tuple[Tensor, ...], texts: TextEmbeddings | None) -> tuple[Tensor, ...]:
        if self.fusion is not None:
            feats = self.fusion(feats, *texts)
        return self.neck(feats) if self.with_neck else feats

    def _encode(self, texts: Sequence[str]) -> Tensor:
        """(K, D) of unit length, in float32; in evaluation those of the last texts are kept."""
        weights = [*self.text_encoder.parameters()]
        weights += [] if self.text_projection is None else [self.text_projection.weight]
        return self.kept_embeddings(tuple(texts), weights, lambda: self._embeddings(texts))

    def _embeddings(self, texts: Sequence[str]) -> Tensor:
        features = self.text_encoder(texts)
        if self.text_projection is not None:
            features = self.text_projection(features)
        return F.normalize(features.float(), dim=-1)

    def _training_texts(self, samples: SampleList) -> list[tuple[str, ...]]:
        texts, borrows = [], [bool(sample.metainfo.get('borrows_texts')) for sample in samples]
        for sample, open_ended in zip(samples, borrows, strict=True):
            text = sample.metainfo.get('text')
            if isinstance(text, str):
                raise ValueError(f'{sample.metainfo.get("img_path", "an image")}: TextYOLOv9 is trained on lists of '
                                 f'texts, which LoadTexts and PackTextInputs make, got the caption {text!r}')
            texts.append(() if open_ended and not text else self.texts_of(sample))
        return borrow_texts(texts, borrows, self.batch_negatives)


def _names(names: Sequence[str], what: str) -> tuple[str, ...]:
    """Names of classes as texts."""
    return tuple(prompt_text(name).strip() for name in check_texts(names, what))


def _add_phrases(instances: InstanceData, meta: dict) -> None:
    phrases = split_phrases(meta['text'], meta.get('tokens_positive_eval'))
    named = [phrases[label] for label in instances.labels.tolist()]
    instances.phrases = [phrase.words for phrase in named]
    instances.spans = [[list(span) for span in phrase.spans] for phrase in named]
    if meta.get('tokens_positive_eval') is not None:
        instances.phrase_scores = instances.scores.new_zeros(len(instances), len(phrases)).scatter_(
            1, instances.labels[:, None], instances.scores[:, None])
