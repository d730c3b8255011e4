"""SMCA-DETR (https://arxiv.org/abs/2101.07448): DETR with spatially modulated co-attention."""
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn as nn
from mmdet.models.detectors import DetectionTransformer
from mmdet.models.layers import SinePositionalEncoding
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from torch import Tensor

from ..transformers import DecoderOutput, Maps, Memory
from .file_weights import FileWeights
from .image_sizes import any_padded, image_sizes
from .network_options import NetworkOptions


@MODELS.register_module()
class SMCADETR(NetworkOptions, FileWeights, DetectionTransformer):
    """A detection transformer over one or several maps, with `SMCATransformerDecoder` and `SMCAHead`.

    In mmdet's config of DETR only the type of the detector must be replaced.

    Args:
        encoder: Config of `SMCATransformerEncoder`, which may leave out `type`, or of another encoder of `Maps`.
        decoder: Config of `SMCATransformerDecoder`, which may leave out `type`.
        positional_encoding: Arguments of mmdet's SinePositionalEncoding.
        bbox_head: Config of an `SMCAHead`; for `DETRHead` an `SMCAHead` is built.
        num_queries: Number of queries.
        extra_maps: How many of the coarsest maps the neck makes of the map before them. Their padding is that of the
            nearest cell of the map before; in all other maps it is that of the nearest pixel of the image.
        level_embed: Whether each of several maps has a learned vector that is added to its positions.
        channels_last: Whether maps and weights of convolutions have the memory format channels_last; None: on CUDA,
            where it is faster.
        compile: Arguments of torch.compile, by which backbone, neck, encoder, decoder and head are compiled, `dict()`
            for its defaults, with `dynamic=True`; None to compile nothing.
        cuda_graph: Whether backbone, encoder and decoder are CUDA graphs in evaluation, recorded once per size of batch
            and image.
        kwargs: As for mmdet's DetectionTransformer.
    """

    def __init__(self, *, encoder: dict, decoder: dict, positional_encoding: dict, bbox_head: dict,
                 num_queries: int = 300, extra_maps: int = 0, level_embed: bool = True,
                 channels_last: bool | None = None, compile: dict | None = None, cuda_graph: bool = False,
                 **kwargs: Any) -> None:
        self.extra_maps = extra_maps
        self._use_level_embed = level_embed
        if bbox_head['type'] == 'DETRHead':
            bbox_head = dict(bbox_head, type='SMCAHead')
        super().__init__(encoder=encoder, decoder=decoder, positional_encoding=positional_encoding,
                         bbox_head=bbox_head, num_queries=num_queries, **kwargs)
        parts = [self.backbone, *([self.neck] if self.with_neck else []), self.encoder, self.decoder, self.bbox_head]
        self.set_network_options(parts, channels_last=channels_last, compile=compile, cuda_graph=cuda_graph,
                                 dynamic=True)

    def _init_layers(self) -> None:
        encoder, decoder = dict(self.encoder), dict(self.decoder)
        encoder.setdefault('type', 'SMCATransformerEncoder')
        decoder.setdefault('type', 'SMCATransformerDecoder')
        self.encoder = MODELS.build(encoder)
        self.decoder = MODELS.build(decoder)
        self.positional_encoding = SinePositionalEncoding(**self.positional_encoding)
        self.embed_dims = self.decoder.embed_dims
        widths = dict(encoder=self.encoder.embed_dims, positional_encoding=2 * self.positional_encoding.num_feats)
        for name, width in widths.items():
            if width != self.embed_dims:
                raise ValueError(f'{name} has {width} channels, the decoder {self.embed_dims}')
        self.query_embedding = nn.Embedding(self.num_queries, self.embed_dims)
        num_maps = len(self.decoder.strides)
        self.level_embed = nn.Parameter(torch.empty(num_maps, self.embed_dims).normal_()) \
            if self._use_level_embed and num_maps > 1 else None

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Tensor, ...]:
        return self.run_graphed('features', super().extract_feat, self.to_memory_format(batch_inputs))

    def forward_transformer(self, img_feats: Sequence[Tensor], batch_data_samples: SampleList) -> dict:
        """`hidden_states` and `reference_logits` for the head, from the neck's maps."""
        return self.run_graphed('transformer', self.transform, *self._sizes_and_padding(img_feats, batch_data_samples))

    def transform(self, img_feats: Sequence[Tensor], sizes: Tensor, padding: Sequence[Tensor | None]) -> dict:
        """As `forward_transformer`, from sizes (B, 2), width and height of each image in pixels, and for each map the
        padding (B, h, w), True where a cell is padding, or None."""
        encoded = self.forward_encoder(self._placed(img_feats, padding))
        return self.forward_decoder(**self.pre_decoder(**encoded)[0], image_sizes=sizes)

    def pre_transformer(self, img_feats: Sequence[Tensor], batch_data_samples: SampleList) -> tuple[dict, dict]:
        """Positions and padding of the maps; sizes of the images.

        Args:
            img_feats: (B, C, h, w) per map, the finest first.
            batch_data_samples: With `img_shape` and `batch_input_shape` in their meta information.
        """
        feats, sizes, padding = self._sizes_and_padding(img_feats, batch_data_samples)
        return dict(maps=self._placed(feats, padding)), dict(image_sizes=sizes)

    def _sizes_and_padding(self, img_feats: Sequence[Tensor],
                           samples: SampleList) -> tuple[Sequence[Tensor], Tensor, list[Tensor | None]]:
        """The maps; the images' sizes; (B, h, w) per map, or None for all where no image is padded."""
        shapes = [tuple(feat.shape[2:]) for feat in img_feats] if any_padded(samples) else []
        sizes, padding = image_sizes(samples, shapes, img_feats[0].device, self.extra_maps)
        return img_feats, sizes, padding or [None] * len(img_feats)

    def _placed(self, img_feats: Sequence[Tensor], padding: Sequence[Tensor | None]) -> Maps:
        """The maps with their positions."""
        pos = [self.positional_encoding(mask, input=feat) for mask, feat in zip(padding, img_feats)]
        if self.level_embed is not None:
            if len(img_feats) != len(self.level_embed):
                raise ValueError(f'decoder.strides says {len(self.level_embed)} maps, the neck gives {len(img_feats)}')
            pos = [x + vector[:, None, None] for x, vector in zip(pos, self.level_embed)]
        return Maps(img_feats, pos, padding)

    def forward_encoder(self, maps: Maps) -> dict:
        """Encoded maps under `maps`."""
        return dict(maps=self.encoder(maps))

    def pre_decoder(self, maps: Maps) -> tuple[dict, dict]:
        """Queries of zeros with learned positions, and what they attend to."""
        query_pos = self.query_embedding.weight.expand(maps.feats[0].shape[0], -1, -1)
        values = [feat.flatten(2).transpose(1, 2) for feat in maps.feats]
        keys = [value + pos.flatten(2).transpose(1, 2) for value, pos in zip(values, maps.pos)]
        padding = [None if mask is None else mask.flatten(1) for mask in maps.padding]
        memory = Memory(values, keys, padding, [tuple(feat.shape[2:]) for feat in maps.feats])
        return dict(query=torch.zeros_like(query_pos), query_pos=query_pos, memory=memory), {}

    def forward_decoder(self, query: Tensor, query_pos: Tensor, memory: Memory, image_sizes: Tensor) -> dict:
        """`hidden_states` and `reference_logits` for the head."""
        output: DecoderOutput = self.decoder(query, query_pos, memory, image_sizes)
        return output._asdict()
