"""MDETR (https://arxiv.org/abs/2104.12763) as one graph: with the text encoder inside, or with texts encoded at export.
"""
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn as nn
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy
from mmengine.config import Config
from torch import Tensor

from ..models.dense_heads import MDETRHead
from ..models.detectors import MDETR, MDETRSegmenter, PromptedMDETR
from ..models.detectors.mdetr_tokens import ImageTokens, TextTokens
from ..text.tokenization import tokenize
from .graph import DetectorGraph, GraphOptions
from .sizes import map_padding, with_image_size
from .smca import check_thresholds, plain_copy

EXAMPLE = 'a red circle left of a blue star'
TOKENIZER = '.tokenizer'  # suffix of the folder beside the file


class MDETRGraph(DetectorGraph):
    """An `MDETR` in one of three forms.

    - Captions come in: the inputs are `images`, `sizes` (B, 2) int64, height and width of each image without padding,
      `input_ids` (B, L) int64 and `attention_mask` (B, L) int64, 1 for tokens and 0 for padding.
    - One caption, encoded at export: the inputs are `images` and `sizes`.
    - The classes of a `PromptedMDETR`, encoded at export: likewise.

    The outputs are boxes (B, Q, 4) and scores (B, Q), 1 less the probability of "no object", and with captions the
    probabilities `tokens` (B, Q, 256) of the caption's tokens, the last column for "no object". With `predict_final`
    there is also `referent` (B, Q), the probability of being the object that the expression refers to. With classes
    there are labels (B, Q) int64 in place of `tokens`, and the boxes are those of all classes, or the best
    `max_per_img` of them.

    Args:
        model: The detector, of which the graph has its own copy in float32 on the CPU.
        caption: A caption to encode now; None for captions that come in, or for the classes of a `PromptedMDETR`.
    """
    system = 'mdetr'
    detectors = 'MDETR and PromptedMDETR with MDETRHead, without answers and masks'
    dynamic_by_default = True

    def __init__(self, model: MDETR, caption: str | None = None) -> None:
        super().__init__()
        self.model = plain_copy(model)
        self.captions, self.is_prompted, self.max_per_img = None, False, None
        self.tokenizer, self.max_tokens = model.text_encoder.tokenizer, model.text_encoder.max_tokens
        if caption is not None:
            self.captions = [caption]
        elif isinstance(model, PromptedMDETR) and (names := class_names(model)) is not None:
            self.captions, self.is_prompted, self.max_per_img = list(names), True, model.max_per_img
        self._text_parts = 0
        if self.captions is not None:
            self._encode_now()
        with_final = model.bbox_head.fc_final is not None and not self.is_prompted
        self.input_names = ('images', 'sizes', *([] if self.captions else ['input_ids', 'attention_mask']))
        self.output_names = ('boxes', 'scores', 'labels' if self.is_prompted else 'tokens',
                             *(['referent'] if with_final else []))
        self.eval()

    @classmethod
    def accepts(cls, model: nn.Module) -> bool:
        return (isinstance(model, MDETR) and isinstance(model.bbox_head, MDETRHead) and model.answer_head is None
                and not isinstance(model, MDETRSegmenter))

    @classmethod
    def adapt(cls, cfg: Config, options: GraphOptions) -> Config:
        check_thresholds(options)
        cfg = with_image_size(cfg, options)
        if options.max_per_img is not None:
            if cfg.model.type != 'PromptedMDETR':
                raise ValueError(f'max_per_img: MDETR returns a box for each query, got {options.max_per_img}')
            cfg.model.test_cfg = dict(cfg.model.get('test_cfg') or {}, max_per_img=options.max_per_img)
        return cfg

    @classmethod
    def from_model(cls, model: nn.Module, cfg: Config, options: GraphOptions) -> 'MDETRGraph':
        return cls(model, options.text)

    def example_inputs(self, batch: int, height: int, width: int) -> tuple[Tensor, ...]:
        inputs = *super().example_inputs(batch, height, width), torch.tensor([[height, width]]).repeat(batch, 1)
        if self.captions is not None:
            return inputs
        ids = torch.tensor(tokenize(self.tokenizer, [EXAMPLE]).ids).repeat(batch, 1)
        return *inputs, ids, torch.ones_like(ids)

    def dynamic_axes(self, batch: bool, size: bool) -> dict[str, dict[int, str]]:
        first = {0: 'batch'} if batch else {}
        axes = super().dynamic_axes(batch, size) | (dict(sizes=first) if batch else {})
        return axes if self.captions is not None else axes | {
            name: first | {1: 'tokens'} for name in ('input_ids', 'attention_mask')}

    def extra_metadata(self) -> dict:
        text = dict(captions=self.captions, prompts=self.is_prompted, max_tokens=self.max_tokens,
                    phrase_fraction=self.model.bbox_head.phrase_fraction)
        if self.captions is not None and not self.is_prompted:
            text['offsets'] = tokenize(self.tokenizer, self.captions).offsets
        return dict(text=text, classes=self.captions if self.is_prompted else None)

    def write_beside(self, file: Path) -> None:
        """Write the tokenizer to the folder FILE.tokenizer, if captions come in."""
        if self.captions is None:
            self.tokenizer.save_pretrained(file.with_suffix(TOKENIZER))

    def forward(self, images: Tensor, sizes: Tensor, input_ids: Tensor | None = None,
                attention_mask: Tensor | None = None) -> tuple[Tensor, ...]:
        feat = self.model.extract_feat(images)[-1]
        mask, = map_padding(sizes, images, [tuple(feat.shape[2:])])
        image = self.model.tokens_of_map(feat, sizes.flip(1).float(), mask)
        if self.is_prompted:
            return self._ask_classes(image)
        batch = images.shape[0]
        if self.captions is None:
            text = self._encode(input_ids, attention_mask)
        else:
            text = TextTokens(self.text_0.expand(batch, -1, -1), self.padding_0.expand(batch, -1), None, ())
        boxes, probabilities, final = self._decode(image, text)
        scores = 1 - probabilities[..., -1]
        return boxes, scores, probabilities, *([] if final is None else [final.sigmoid()])

    def _decode(self, image: ImageTokens, text: TextTokens) -> tuple[Tensor, Tensor, Tensor | None]:
        """Boxes (B, Q, 4) in pixels, probabilities (B, Q, 256) of tokens and, with `predict_final`, logits (B, Q)."""
        fused = self.model.fuse(image, text)
        decoded = self.model.decode(fused)
        outputs = self.model.bbox_head(decoded.objects[-1:], fused.text, decoded.references)
        boxes = bbox_cxcywh_to_xyxy(outputs.boxes[-1]) * image.sizes.repeat(1, 2).unsqueeze(1)
        return boxes, outputs.logits[-1].softmax(dim=-1), None if outputs.isfinal is None else outputs.isfinal[-1]

    def _ask_classes(self, image: ImageTokens) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes, scores and labels of all queries of all classes: every image goes with every prompt."""
        batch, queries = image.tokens.shape[0], self.model.num_queries
        boxes, scores = [], []
        for part in range(self._text_parts):
            tokens, padding = getattr(self, f'text_{part}'), getattr(self, f'padding_{part}')
            count = len(tokens)
            repeated = ImageTokens(*(x.repeat_interleave(count, dim=0) for x in image[:4]), image.shape)
            text = TextTokens(tokens.repeat(batch, 1, 1), padding.repeat(batch, 1), None, ())
            of_part, probabilities, _ = self._decode(repeated, text)
            boxes.append(of_part.reshape(batch, count * queries, 4))
            scores.append((1 - probabilities[..., -1]).reshape(batch, count * queries))
        boxes, scores = torch.cat(boxes, dim=1), torch.cat(scores, dim=1)
        labels = torch.arange(len(self.captions), device=boxes.device).repeat_interleave(queries).expand(batch, -1)
        if self.max_per_img is None or self.max_per_img >= labels.shape[1]:
            return boxes, scores, labels.contiguous()
        scores, rows = scores.topk(self.max_per_img, dim=1)
        return boxes.gather(1, rows.unsqueeze(-1).expand(-1, -1, 4)), scores, labels.gather(1, rows)

    def _encode(self, input_ids: Tensor, attention_mask: Tensor) -> TextTokens:
        encoder = self.model.text_encoder
        mask = attention_mask
        if encoder.language_model.config._attn_implementation == 'sdpa':
            mask = attention_mask[:, None, None].bool()
        hidden, _ = encoder.encode_tokens(input_ids, mask)
        return TextTokens(self.model.resizer(hidden), attention_mask == 0, None, ())

    @torch.no_grad()
    def _encode_now(self) -> None:
        """Keep the features of the captions, and drop the text encoder."""
        texts = self.model.encode_prompts(self.captions) if self.is_prompted else [
            self.model.encode_text(self.captions)]
        for part, text in enumerate(texts):
            self.register_buffer(f'text_{part}', text.tokens)
            self.register_buffer(f'padding_{part}', text.padding)
        self._text_parts = len(texts)
        self.model.text_encoder = self.model.resizer = None


def class_names(model: PromptedMDETR) -> Sequence[str] | None:
    """The classes that the detector asks for in every image; None if only samples say."""
    return model.prompts or (getattr(model, 'dataset_meta', None) or {}).get('classes')
