"""MDETR (https://arxiv.org/abs/2104.12763): detection modulated by text."""
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from mmdet.models.detectors import SingleStageDetector
from mmdet.models.layers import SinePositionalEncoding
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from torch import Tensor

from ...transfers import to_device
from ..layers.feature_resizer import FeatureResizer
from ..transformers import DecoderOutput, Memory, SMCATransformerDecoder
from .file_weights import FileWeights
from .image_sizes import distinct_rows, image_sizes
from .mdetr_tokens import Decoded, Encoded, Fused, ImageTokens, TextTokens
from .network_options import NetworkOptions


@MODELS.register_module()
class MDETR(NetworkOptions, FileWeights, SingleStageDetector):
    """Encode an image and a caption together, and decode objects, each with the tokens of the caption that name it.

    A forward pass is `encode`, then `decode`. `encode` calls `encode_text`, `encode_image` and `fuse`. These may be
    called one by one, so that an image is encoded once for many captions, or a caption once for many images.

    Args:
        text_encoder: Config of a text encoder, `RobertaTextEncoder`.
        encoder: Config of a `TextFusionEncoder`, which may leave out `type`.
        decoder: Config of an `MDETRTransformerDecoder`, which may leave out `type`, or of an `SMCATransformerDecoder`
            on one map. With the latter each query has a point: it attends to the image near this point and predicts its
            box relative to it. Training then takes fewer steps.
        positional_encoding: Arguments of mmdet's SinePositionalEncoding.
        bbox_head: Config of an `MDETRHead`.
        num_queries: Number of queries of objects.
        answer_head: Config of a `GQAAnswerHead` or a `ClevrAnswerHead`, for questions in place of captions.
        detection: Whether detection is trained. With False only answers are trained, on questions with or without
            boxes; a distributed run then needs `find_unused_parameters=True`.
        loss_image_text: Config of an `ImageTextContrastiveLoss`, for which a learned token is put before the tokens of
            the image; None, as in all published checkpoints, for no such loss.
        text_dropout: Dropout after the projection of the text's features.
        channels_last: Whether maps and weights of convolutions have the memory format channels_last; None: on CUDA,
            where it is faster.
        compile: Arguments of torch.compile, by which backbone, neck, encoder, decoder and heads are compiled, `dict()`
            for its defaults, with `dynamic=True`; the text encoder is not. None to compile nothing.
        cuda_graph: Whether backbone, encoder and decoder are CUDA graphs in evaluation, recorded once per size of batch
            and image and number of tokens.
        kwargs: As for mmdet's SingleStageDetector.
    """

    def __init__(self, *, text_encoder: dict, encoder: dict, decoder: dict, positional_encoding: dict, bbox_head: dict,
                 num_queries: int = 100, answer_head: dict | None = None, detection: bool = True,
                 loss_image_text: dict | None = None, text_dropout: float = 0.1,
                 channels_last: bool | None = None, compile: dict | None = None, cuda_graph: bool = False,
                 **kwargs: Any) -> None:
        if not detection and answer_head is None:
            raise ValueError('detection=False trains answers alone and needs answer_head, got None')
        super().__init__(bbox_head=dict(bbox_head), **kwargs)
        self.num_queries = num_queries
        self.detection = detection
        self.encoder = MODELS.build(dict(dict(type='TextFusionEncoder'), **encoder))
        self.decoder = MODELS.build(dict(dict(type='MDETRTransformerDecoder'), **decoder))
        self.positional_encoding = SinePositionalEncoding(**positional_encoding)
        self.embed_dims = self.decoder.embed_dims
        self.text_encoder = MODELS.build(text_encoder)
        self.resizer = FeatureResizer(self.text_encoder.embed_dims, self.embed_dims, text_dropout)
        self.query_embedding = nn.Embedding(num_queries, self.embed_dims)
        self.answer_head = MODELS.build(answer_head) if answer_head else None
        self.image_token = self.image_projection = self.text_projection = self.loss_image_text = None
        if loss_image_text:
            self._add_image_text_loss(loss_image_text)
        parts = [self.backbone, *([self.neck] if self.with_neck else []), self.encoder, self.decoder, self.bbox_head]
        parts += [self.answer_head] if self.answer_head is not None else []
        self.set_network_options(parts, channels_last=channels_last, compile=compile, cuda_graph=cuda_graph,
                                 dynamic=True)

    def _add_image_text_loss(self, cfg: dict) -> None:
        if not self.text_encoder.pooled:
            raise ValueError('loss_image_text needs text_encoder.pooled=True')
        if isinstance(self.decoder, SMCATransformerDecoder):
            raise ValueError('loss_image_text puts a token before the cells of the map, where SMCATransformerDecoder '
                             'needs the map to begin')
        self.loss_image_text = MODELS.build(cfg)
        self.image_token = nn.Embedding(1, self.embed_dims)
        self.image_projection = nn.Linear(self.embed_dims, 64, bias=False)
        self.text_projection = nn.Linear(self.text_encoder.embed_dims, 64, bias=False)

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Tensor, ...]:
        return self.run_graphed('features', super().extract_feat, self.to_memory_format(batch_inputs))

    def encode(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> Encoded:
        """Encode each image with its caption, which is `text` in the meta information of its sample.

        Args:
            batch_inputs: (B, 3, H, W), padded to the size in the samples' `batch_input_shape`.
            batch_data_samples: With `text`, `img_shape` and `batch_input_shape` in their meta information.

        Raises:
            ValueError: If a sample has no caption.
        """
        text = self.encode_text(captions_of(batch_data_samples))
        maps = self.feature_maps(batch_inputs, batch_data_samples)
        return Encoded(maps, text, self.fuse(self.image_tokens(maps[-1], batch_data_samples), text))

    def encode_image(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> ImageTokens:
        """The tokens of images, without text. Arguments as for `encode`; captions are not needed."""
        return self.image_tokens(self.feature_maps(batch_inputs, batch_data_samples)[-1], batch_data_samples)

    def feature_maps(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> tuple[Tensor, ...]:
        """The outputs of `extract_feat` for each image. If neighbouring images of the batch are equal, they are
        computed once."""
        rows = distinct_rows(batch_inputs, batch_data_samples)
        if rows[-1] + 1 == len(rows):
            return self.extract_feat(batch_inputs)
        first = [rows.index(row) for row in range(rows[-1] + 1)]
        first, rows = (to_device(torch.tensor(index), batch_inputs.device) for index in (first, rows))
        return tuple(feat[rows] for feat in self.extract_feat(batch_inputs[first]))

    def image_tokens(self, feat: Tensor, samples: SampleList) -> ImageTokens:
        """The neck's map (B, C, h, w) as tokens."""
        shape = tuple(feat.shape[2:])
        sizes, (mask, ) = image_sizes(samples, [shape], feat.device)
        return self.tokens_of_map(feat, sizes, mask)

    def tokens_of_map(self, feat: Tensor, sizes: Tensor, mask: Tensor) -> ImageTokens:
        """As `image_tokens`, from sizes (B, 2), width and height of each image in pixels, and the padding (B, h, w),
        True where a cell is padding."""
        shape = tuple(feat.shape[2:])
        tokens, pos = (x.flatten(2).transpose(1, 2) for x in (feat, self.positional_encoding(mask)))
        padding = mask.flatten(1)
        if self.image_token is not None:
            first = self.image_token.weight.expand(feat.shape[0], 1, -1)
            tokens = torch.cat([first, tokens], dim=1)
            pos = torch.cat([torch.zeros_like(first), pos], dim=1)
            padding = F.pad(padding, (1, 0))
        return ImageTokens(tokens, pos, padding, sizes, shape)

    def encode_text(self, captions: Sequence[str]) -> TextTokens:
        """Run the text encoder on captions, and project its features to the width of the image tokens."""
        features = self.text_encoder(captions)
        return TextTokens(self.resizer(features.hidden), features.padding, features.pooled, features.offsets)

    def fuse(self, image: ImageTokens, text: TextTokens) -> Fused:
        """Encode each image with its caption."""
        memory, pos, padding = self.run_graphed('encoder', self.encoder, image.tokens, image.pos, image.padding,
                                                text.tokens, text.padding)
        pooled = None if self.image_token is None else memory[:, 0]
        return Fused(memory, pos, padding, memory[:, image.tokens.shape[1]:], pooled, image.sizes, image.shape)

    def decode(self, fused: Fused) -> Decoded:
        """Run the decoder on the queries of objects and, with `answer_head`, those of answers."""
        states, references = self.run_graphed('decoder', self._decode, fused.memory, fused.pos, fused.padding,
                                              fused.sizes, fused.shape)
        count = self.num_queries
        return Decoded(states[:, :, :count], None if references is None else references[:, :count],
                       None if self.answer_head is None else states[:, :, count:])

    def _decode(self, memory: Tensor, pos: Tensor, padding: Tensor, sizes: Tensor,
                shape: tuple[int, int]) -> DecoderOutput:
        """The decoder's outputs for all queries, those of objects first; the arguments are parts of `Fused`."""
        queries = self.query_embedding.weight
        if self.answer_head is not None:
            queries = torch.cat([queries, self.answer_head.query_embedding.weight])
        query_pos = queries.expand(memory.shape[0], -1, -1)
        with_text = Memory([memory], [memory + pos], [padding], [shape])
        return self.decoder(torch.zeros_like(query_pos), query_pos, with_text, sizes)

    def loss(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> dict[str, Tensor]:
        """Losses of the head and, if there are any, of answers and of the contrast between images and captions."""
        _, text, fused = self.encode(batch_inputs, batch_data_samples)
        decoded = self.decode(fused)
        losses = {}
        if self.detection:
            losses |= self.bbox_head.loss(decoded.objects, fused.text, text.offsets, batch_data_samples,
                                          decoded.references)
        if decoded.answers is not None:
            losses |= self.answer_head.loss(decoded.answers, batch_data_samples)
        if self.loss_image_text is not None:
            losses['loss_image_text'] = self.loss_image_text(*self.pool(fused, text))
        return losses

    def pool(self, fused: Fused, text: TextTokens) -> tuple[Tensor, Tensor]:
        """Vectors (B, 64) of the images and (B, 64) of the captions, for `loss_image_text`."""
        return self.image_projection(fused.pooled), self.text_projection(text.pooled)

    def predict(self, batch_inputs: Tensor, batch_data_samples: SampleList, rescale: bool = True) -> SampleList:
        """Adds `pred_instances` to the samples and, with `answer_head`, `pred_answer` to their meta information."""
        _, text, fused = self.encode(batch_inputs, batch_data_samples)
        decoded = self.decode(fused)
        results = self.bbox_head.predict(decoded.objects[-1:], fused.text, text.offsets, batch_data_samples, rescale,
                                         references=decoded.references)
        if decoded.answers is not None:
            answers = self.answer_head.predict(decoded.answers, batch_data_samples)
            for sample, answer in zip(batch_data_samples, answers):
                sample.set_metainfo(dict(pred_answer=answer))
        return self.add_pred_to_datasample(batch_data_samples, results)

    def _forward(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> tuple:
        """The head's `GroundingOutputs`; with `answer_head` these and the logits of answers."""
        fused = self.encode(batch_inputs, batch_data_samples).fused
        decoded = self.decode(fused)
        outputs = self.bbox_head(decoded.objects, fused.text, decoded.references)
        return outputs if decoded.answers is None else (outputs, self.answer_head(decoded.answers))


def captions_of(samples: SampleList) -> list[str]:
    """The captions of the samples.

    Raises:
        ValueError: If one has none.
    """
    for sample in samples:
        if not isinstance(sample.metainfo.get('text'), str):
            raise ValueError(f'{sample.metainfo.get("img_path", "an image")}: MDETR needs a caption, `text` in the '
                             f'meta information of the sample, got {sample.metainfo.get("text")!r}')
    return [sample.text for sample in samples]
