"""MDETR (https://arxiv.org/abs/2104.12763): detection modulated by text."""
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from mmdet.models.detectors import DetectionTransformer
from mmdet.models.layers import SinePositionalEncoding
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from torch import Tensor

from ..layers.feature_resizer import FeatureResizer
from ..layers.transfers import to_device
from ..transformers.smca_decoder import Memory, SMCATransformerDecoder
from .file_weights import FileWeights
from .image_sizes import distinct_rows, image_sizes
from .mdetr_tokens import Fused, ImageTokens, TextTokens
from .network_options import NetworkOptions


@MODELS.register_module()
class MDETR(NetworkOptions, FileWeights, DetectionTransformer):
    """Encode a picture and a caption together, decode objects that say which tokens of the caption they are.

    A pass is four steps that may be called one by one: `encode_image` (once for many captions), `encode_text` (once for
    many pictures), `fuse`, `decode`.

    Args:
        text_encoder: Config of a text encoder, `RobertaTextEncoder`.
        encoder: Config of a `TextFusionEncoder`, which may leave out `type`.
        decoder: Config of an `MDETRTransformerDecoder`, which may leave out `type`, or of an `SMCATransformerDecoder`
            on one map: then each query has a place, around which it looks and predicts boxes, which is learned in fewer
            steps.
        positional_encoding: Arguments of mmdet's SinePositionalEncoding.
        bbox_head: Config of an `MDETRHead`.
        num_queries: Number of queries of objects.
        answer_head: Config of a `GQAAnswerHead` or a `ClevrAnswerHead`, for questions in place of captions.
        detection: Whether objects are trained; False to train answers alone, on questions with or without boxes. A
            distributed run then needs `find_unused_parameters=True`.
        loss_image_text: Config of an `ImageTextContrastiveLoss`, with which a learned token stands before the
            picture's; None, as in all published checkpoints, for none.
        text_dropout: Dropout after the projection of the text's features.
        channels_last: Whether maps and weights of convolutions lie in memory with their channels last; None for on
            CUDA, where it is faster.
        compile: Arguments of torch.compile, by which backbone, neck, encoder, decoder and heads are compiled, `dict()`
            for its defaults, with `dynamic=True`; the text encoder is not. None to compile nothing.
        cuda_graph: Whether backbone, encoder and decoder are CUDA graphs in evaluation, recorded once per size of batch
            and image and number of tokens.
        kwargs: As for mmdet's DetectionTransformer.
    """

    def __init__(self, *, text_encoder: dict, encoder: dict, decoder: dict, positional_encoding: dict, bbox_head: dict,
                 num_queries: int = 100, answer_head: dict | None = None, detection: bool = True,
                 loss_image_text: dict | None = None, text_dropout: float = 0.1,
                 channels_last: bool | None = None, compile: dict | None = None, cuda_graph: bool = False,
                 **kwargs: Any) -> None:
        if not detection and answer_head is None:
            raise ValueError('detection=False trains answers alone and needs answer_head, got None')
        self._parts = dict(text_encoder=text_encoder, loss_image_text=loss_image_text, text_dropout=text_dropout,
                           answer_head=answer_head)
        super().__init__(encoder=encoder, decoder=decoder, positional_encoding=positional_encoding,
                         bbox_head=dict(bbox_head), num_queries=num_queries, **kwargs)
        self.detection = detection
        parts = [self.backbone, *([self.neck] if self.with_neck else []), self.encoder, self.decoder, self.bbox_head]
        parts += [self.answer_head] if self.answer_head is not None else []
        self.set_network_options(parts, channels_last=channels_last, compile=compile, cuda_graph=cuda_graph, dynamic=True)

    def _init_layers(self) -> None:
        self.encoder = MODELS.build(dict(dict(type='TextFusionEncoder'), **self.encoder))
        self.decoder = MODELS.build(dict(dict(type='MDETRTransformerDecoder'), **self.decoder))
        self.positional_encoding = SinePositionalEncoding(**self.positional_encoding)
        self.embed_dims = self.decoder.embed_dims
        parts = self.__dict__.pop('_parts')
        self.text_encoder = MODELS.build(parts['text_encoder'])
        self.resizer = FeatureResizer(self.text_encoder.embed_dims, self.embed_dims, parts['text_dropout'])
        self.query_embedding = nn.Embedding(self.num_queries, self.embed_dims)
        self.answer_head = MODELS.build(parts['answer_head']) if parts['answer_head'] else None
        self.image_token = self.image_projection = self.text_projection = self.loss_image_text = None
        if parts['loss_image_text']:
            if not self.text_encoder.pooled:
                raise ValueError('loss_image_text needs text_encoder.pooled=True')
            if isinstance(self.decoder, SMCATransformerDecoder):
                raise ValueError('loss_image_text puts a token before the cells of the map, where SMCATransformerDecoder '
                                 'needs the map to begin')
            self.loss_image_text = MODELS.build(parts['loss_image_text'])
            self.image_token = nn.Embedding(1, self.embed_dims)
            self.image_projection = nn.Linear(self.embed_dims, 64, bias=False)
            self.text_projection = nn.Linear(self.text_encoder.embed_dims, 64, bias=False)

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Tensor, ...]:
        return self.graphed('features', super().extract_feat, self.lay_out(batch_inputs))

    def encode_image(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> ImageTokens:
        """Pictures (B, 3, H, W), padded to the size in the samples' `batch_input_shape`.

        A picture that comes several times in a row, with several captions, goes through the backbone once.
        """
        rows = distinct_rows(batch_inputs, batch_data_samples)
        if rows[-1] + 1 == len(rows):
            feat = self.extract_feat(batch_inputs)[-1]
        else:
            first = [rows.index(row) for row in range(rows[-1] + 1)]
            first, rows = (to_device(torch.tensor(index), batch_inputs.device) for index in (first, rows))
            feat = self.extract_feat(batch_inputs[first])[-1][rows]
        return self.image_tokens(feat, batch_data_samples)

    def image_tokens(self, feat: Tensor, samples: SampleList) -> ImageTokens:
        """The neck's map (B, C, h, w) as tokens."""
        shape = tuple(feat.shape[2:])
        sizes, (mask, ) = image_sizes(samples, [shape], feat.device)
        tokens, pos = (each.flatten(2).transpose(1, 2) for each in (feat, self.positional_encoding(mask)))
        padding = mask.flatten(1)
        if self.image_token is not None:
            first = self.image_token.weight.expand(len(feat), 1, -1)
            tokens = torch.cat([first, tokens], dim=1)
            pos = torch.cat([torch.zeros_like(first), pos], dim=1)
            padding = F.pad(padding, (1, 0))
        return ImageTokens(tokens, pos, padding, sizes, shape)

    def encode_text(self, captions: Sequence[str]) -> TextTokens:
        """Captions through the text encoder and to the width of the picture's tokens."""
        found = self.text_encoder(captions)
        return TextTokens(self.resizer(found.hidden), found.padding, found.pooled, found.offsets)

    def fuse(self, image: ImageTokens, text: TextTokens) -> Fused:
        """Encode each picture with its caption."""
        memory, pos, padding = self.graphed('encoder', self.encoder, image.tokens, image.pos, image.padding, text.tokens,
                                            text.padding)
        pooled = None if self.image_token is None else memory[:, 0]
        return Fused(memory, pos, padding, memory[:, image.tokens.shape[1]:], pooled, image.sizes, image.shape)

    def references(self) -> Tensor | None:
        """(Q, 2), logits of the centres around which the queries predict boxes; None without SMCA's decoder."""
        if not isinstance(self.decoder, SMCATransformerDecoder):
            return None
        return self.decoder.references(self.query_embedding.weight)

    def decode(self, fused: Fused) -> Tensor:
        """(layers, B, Q, C), the hidden states of the queries of objects."""
        return self.decode_with_answers(fused)[0]

    def decode_with_answers(self, fused: Fused) -> tuple[Tensor, Tensor | None]:
        """As `decode`, and (layers, B, A, C) of the queries of answers, which come last; None without `answer_head`."""
        states = self.graphed('decoder', self._decode, fused.memory, fused.pos, fused.padding, fused.sizes, fused.shape)
        answers = None if self.answer_head is None else states[:, :, self.num_queries:]
        return states[:, :, :self.num_queries], answers

    def _decode(self, memory: Tensor, pos: Tensor, padding: Tensor, sizes: Tensor, shape: tuple[int, int]) -> Tensor:
        """(layers, B, Q + A, C), from the parts of `Fused`."""
        queries = self.query_embedding.weight
        if self.answer_head is not None:
            queries = torch.cat([queries, self.answer_head.query_embedding.weight])
        query_pos = queries.expand(len(memory), -1, -1)
        if not isinstance(self.decoder, SMCATransformerDecoder):
            return self.decoder(torch.zeros_like(query_pos), query_pos, memory, pos, padding)
        placed = Memory([memory], [memory + pos], [padding], [shape])
        return self.decoder(torch.zeros_like(query_pos), query_pos, placed, sizes).hidden_states

    def loss(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> dict[str, Tensor]:
        """Losses of the head and, if there are any, of answers and of pictures against captions."""
        text = self.encode_text(captions_of(batch_data_samples))
        fused = self.fuse(self.encode_image(batch_inputs, batch_data_samples), text)
        objects, answers = self.decode_with_answers(fused)
        losses = {}
        if self.detection:
            losses |= self.bbox_head.loss(objects, fused.text, text.offsets, batch_data_samples, self.references())
        if answers is not None:
            losses |= self.answer_head.loss(answers, batch_data_samples)
        if self.loss_image_text is not None:
            losses['loss_image_text'] = self.loss_image_text(*self.pool(fused, text))
        return losses

    def pool(self, fused: Fused, text: TextTokens) -> tuple[Tensor, Tensor]:
        """(B, 64) of pictures and (B, 64) of captions, for the contrast between them."""
        return self.image_projection(fused.pooled), self.text_projection(text.pooled)

    def predict(self, batch_inputs: Tensor, batch_data_samples: SampleList, rescale: bool = True) -> SampleList:
        """Adds `pred_instances` to the samples and, with `answer_head`, `pred_answer` to their meta information."""
        text = self.encode_text(captions_of(batch_data_samples))
        fused = self.fuse(self.encode_image(batch_inputs, batch_data_samples), text)
        objects, answers = self.decode_with_answers(fused)
        found = self.bbox_head.predict(objects[-1:], fused.text, text.offsets, batch_data_samples, rescale,
                                       references=self.references())
        if answers is not None:
            for sample, answer in zip(batch_data_samples, self.answer_head.predict(answers, batch_data_samples)):
                sample.set_metainfo(dict(pred_answer=answer))
        return self.add_pred_to_datasample(batch_data_samples, found)

    def _forward(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> tuple:
        """What the head says of objects; with `answer_head` that, and what it says of answers."""
        text = self.encode_text(captions_of(batch_data_samples))
        fused = self.fuse(self.encode_image(batch_inputs, batch_data_samples), text)
        objects, answers = self.decode_with_answers(fused)
        found = self.bbox_head(objects, fused.text, self.references())
        return found if answers is None else (found, self.answer_head(answers))

    def pre_transformer(self, *args: Any) -> tuple[dict, dict]:
        raise NotImplementedError('MDETR encodes picture and text apart: encode_image, encode_text, fuse, decode')

    forward_encoder = pre_decoder = forward_decoder = pre_transformer


def captions_of(samples: SampleList) -> list[str]:
    """The captions of the samples.

    Raises:
        ValueError: If one has none.
    """
    for sample in samples:
        if not isinstance(sample.metainfo.get('text'), str):
            raise ValueError(f'{sample.metainfo.get("img_path", "a picture")}: MDETR needs a caption, `text` in the meta '
                             f'information of the sample, got {sample.metainfo.get("text")!r}')
    return [sample.text for sample in samples]
