"""What MDETR saves by encoding an image once for many prompts, and captions once for many epochs."""
from collections.abc import Callable, Sequence
from copy import deepcopy

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
Changes = Callable[[Config], None]


def prompts(config: Config, device: torch.device, repeats: int, shape: Shape, *, count: int = 64, chunk: int = 32,
            change: Changes = lambda cfg: None) -> list[Row]:
    """One image of `shape` (height, width) asked `count` prompts: as full passes, and in the model's four steps."""
    texts = [f'{colour} {name}' for name in CLASSES for colour in ('red', 'small')][:count]
    model = build_model(config, device, texts, change)
    image = torch.rand(1, 3, *shape, device=device)
    samples = [caption_sample(text, shape) for text in texts]

    @torch.inference_mode()
    def full_passes() -> list[InstanceData]:
        return [model.predict(image, [sample])[0].pred_instances for sample in samples]

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
        'full passes': full_passes, f'image once, {chunk} at a time': in_steps}, device, repeats)


def prompted_detection(config: Config, device: torch.device, repeats: int, shape: Shape, *,
                       names: Sequence[str] = CLASSES, change: Changes = lambda cfg: None) -> list[Row]:
    """One image asked for all classes of COCO: MDETR, one pass each, and `PromptedMDETR`, which knows the prompts."""

    def prompted_form(cfg: Config) -> None:
        cfg.update(type='PromptedMDETR', test_cfg=dict(prompts=list(names)))
        change(cfg)

    prompted, plain = (build_model(config, device, names, form) for form in (prompted_form, change))
    image = torch.rand(1, 3, *shape, device=device)

    @torch.inference_mode()
    def full_passes() -> list[InstanceData]:
        return [plain.predict(image, [caption_sample(name, shape)])[0].pred_instances for name in names]

    @torch.inference_mode()
    def one_pass() -> InstanceData:
        return prompted.predict(image, [caption_sample(names[0], shape)])[0].pred_instances

    return measure(f'{len(names)} classes in an image of {shape[0]} x {shape[1]}', {
        'MDETR, full passes': full_passes, 'PromptedMDETR': one_pass}, device, repeats)


def text_cache(config: Config, device: torch.device, repeats: int, shape: Shape, *, batch: int = 2,
               change: Changes = lambda cfg: None) -> list[Row]:
    """An epoch of training steps, forward and backward, with a frozen text encoder: without and with known features."""
    samples = [training_sample(caption, shape, device) for caption in CAPTIONS]
    images = torch.rand(batch, 3, *shape, device=device)

    def epoch(model: MDETR) -> None:
        for start in range(0, len(samples), batch):
            batch_samples = samples[start:start + batch]
            model.parse_losses(model.loss(images[:len(batch_samples)], batch_samples))[0].backward()
        model.zero_grad()

    forms = {}
    for form, cache in (('frozen text encoder', None), ('its features known', 'memory')):

        def frozen(cfg: Config, cache: str | None = cache) -> None:
            cfg.text_encoder.update(frozen=True, cache=cache)
            change(cfg)

        model = build_model(config, device, CAPTIONS, frozen).train()
        forms[form] = lambda model=model: epoch(model)
    return measure(f'epoch of {len(samples)} captions, images of {shape[0]} x {shape[1]}', forms, device, repeats)


def build_model(config: Config, device: torch.device, texts: Sequence[str], change: Changes) -> MDETR:
    """The model of a config with random weights, RoBERTa-base's sizes and a tokenizer of `texts`; no file is needed."""
    cfg = deepcopy(config.model)
    cfg.backbone.init_cfg = None
    with generated_tokenizer(cfg, texts):
        change(cfg)
        torch.manual_seed(0)
        return MODELS.build(cfg).to(device).eval()


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
