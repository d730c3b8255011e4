"""What MDETR saves by encoding an image once for many prompts, and captions once for many epochs."""
from collections.abc import Sequence

import mmdet_ext  # noqa: F401  first: mmdet needs operators, which it has from here if not from mmcv

import torch
from mmdet.datasets import CocoDataset
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.structures import InstanceData

from mmdet_ext.models.detectors import MDETR

from .inputs import CAPTIONS, generated_tokenizer
from .measure import Row, measure

CLASSES = CocoDataset.METAINFO['classes']
Shape = tuple[int, int]


def prompts(config: Config, device: torch.device, repeats: int, shape: Shape, *, count: int = 64,
            chunk: int = 32) -> list[Row]:
    """One image of `shape` (height, width) asked `count` prompts: as full passes, and in the model's four steps."""
    texts = [f'{colour} {name}' for name in CLASSES for colour in ('red', 'small')][:count]
    model, image = build_model(config, device, texts), torch.rand(1, 3, *shape, device=device)
    samples = [caption_sample(text, shape) for text in texts]

    @torch.inference_mode()
    def in_steps() -> list[InstanceData]:
        encoded, text, instances = model.encode_image(image, samples[:1]), model.encode_text(texts), []
        for start in range(0, count, chunk):
            part = text.select(range(count)[start:start + chunk])
            fused = model.fuse(encoded.expand(len(part.tokens)), part)
            decoded = model.decode(fused)
            instances += model.bbox_head.predict(decoded.objects[-1:], fused.text, part.offsets,
                                                 samples[start:start + chunk], references=decoded.references)
        return instances

    return measure(f'{count} prompts for an image of {shape[0]} x {shape[1]}', {
        'full passes': lambda: predictions(model, image, samples),
        f'image once, {chunk} at a time': in_steps}, device, repeats)


def prompted_detection(config: Config, device: torch.device, repeats: int, shape: Shape, *,
                       names: Sequence[str] = CLASSES) -> list[Row]:
    """One image asked for all classes of COCO: MDETR, one pass each, and `PromptedMDETR`, which knows the prompts."""
    plain = build_model(config, device, names)
    prompted = build_model(config, device, names, type='PromptedMDETR', test_cfg=dict(prompts=list(names)))
    image, samples = torch.rand(1, 3, *shape, device=device), [caption_sample(name, shape) for name in names]
    return measure(f'{len(names)} classes in an image of {shape[0]} x {shape[1]}', {
        'MDETR, full passes': lambda: predictions(plain, image, samples),
        'PromptedMDETR': lambda: predictions(prompted, image, samples[:1])[0]}, device, repeats)


def text_cache(config: Config, device: torch.device, repeats: int, shape: Shape, *, batch: int = 2) -> list[Row]:
    """An epoch of training steps, forward and backward, with a frozen text encoder: without and with known features."""
    samples = [training_sample(caption, shape, device) for caption in CAPTIONS]
    images = torch.rand(batch, 3, *shape, device=device)
    without, cached = (build_model(config, device, CAPTIONS, text_encoder=dict(frozen=True, cache=cache)).train()
                       for cache in (None, 'memory'))

    def epoch(model: MDETR) -> None:
        for start in range(0, len(samples), batch):
            part = samples[start:start + batch]
            model.parse_losses(model.loss(images[:len(part)], part))[0].backward()
        model.zero_grad()

    return measure(f'epoch of {len(samples)} captions, images of {shape[0]} x {shape[1]}', {
        'frozen text encoder': lambda: epoch(without), 'its features known': lambda: epoch(cached)}, device, repeats)


def build_model(config: Config, device: torch.device, texts: Sequence[str], **options: object) -> MDETR:
    """The config's model with `options`, random weights, RoBERTa-base's sizes and a tokenizer of `texts`."""
    cfg = Config(dict(model=config.model.to_dict()))  # a copy
    cfg.merge_from_dict(dict(model=dict(options, backbone=dict(init_cfg=None))))
    with generated_tokenizer(cfg.model, texts):
        torch.manual_seed(0)
        return MODELS.build(cfg.model).to(device).eval()


@torch.inference_mode()
def predictions(model: MDETR, image: torch.Tensor, samples: Sequence[DetDataSample]) -> list[InstanceData]:
    """One pass for each sample."""
    return [model.predict(image, [sample])[0].pred_instances for sample in samples]


def caption_sample(caption: str, shape: Shape) -> DetDataSample:
    return DetDataSample(metainfo=dict(text=caption, img_shape=shape, ori_shape=shape, batch_input_shape=shape,
                                       scale_factor=(1., 1.)))


def training_sample(caption: str, shape: Shape, device: torch.device) -> DetDataSample:
    """A caption with a box for its first and one for its last word."""
    sample, (height, width) = caption_sample(caption, shape), shape
    boxes = torch.tensor([[0.1, 0.2, 0.5, 0.9], [0.4, 0.3, 0.8, 0.6]]) * torch.tensor([width, height, width, height])
    spans = [[[0, caption.index(' ')]], [[caption.rindex(' ') + 1, len(caption)]]]
    sample.gt_instances = InstanceData(bboxes=boxes.to(device), labels=torch.zeros(2, dtype=torch.long, device=device),
                                       tokens_positive=spans)
    return sample
