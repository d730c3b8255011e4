"""What MDETR saves by encoding a picture once for many prompts, and captions once for many epochs."""
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from tempfile import TemporaryDirectory

import torch
from mmdet.datasets import CocoDataset
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.structures import InstanceData

from ..models.detectors import MDETR
from ..text.tokenizer_training import train_tokenizer
from .measure import Row, measure

CLASSES = CocoDataset.METAINFO['classes']
CAPTIONS = (
    'two men in blue jackets are standing next to a parked motorcycle on a busy street',
    'a woman with a white hat is holding a small brown dog in her arms',
    'several people are sitting at a long table with plates of food and glasses of wine',
    'the child in the red shirt is kicking a ball towards a goal on a green field',
    'a large black cat is lying on top of a wooden bench in front of a shop window',
    'an older man is riding his bicycle past a row of trees with yellow leaves',
    'a train is pulling into the station while passengers wait behind the line',
    'three horses are grazing behind a fence with mountains in the background')
Shape = tuple[int, int]
Changes = Callable[[Config], None]


def prompts(config: Config, device: torch.device, repeats: int, shape: Shape, *, count: int = 64, chunk: int = 32,
            change: Changes = lambda cfg: None) -> Iterator[Row]:
    """One picture of `shape` (height, width) asked `count` prompts: as full passes, and in the model's four steps."""
    texts = [f'{colour} {name}' for name in CLASSES for colour in ('red', 'small')][:count]
    model = build_model(config, device, texts, change)
    picture = torch.rand(1, 3, *shape, device=device)
    samples = [caption_sample(text, shape) for text in texts]

    @torch.inference_mode()
    def full_passes() -> list[InstanceData]:
        return [model.predict(picture, [sample])[0].pred_instances for sample in samples]

    @torch.inference_mode()
    def two_steps() -> list[InstanceData]:
        image, text, found = model.encode_image(picture, samples[:1]), model.encode_text(texts), []
        for start in range(0, count, chunk):
            own = text.select(range(count)[start:start + chunk])
            fused = model.fuse(image.expand(len(own.tokens)), own)
            decoded = model.decode(fused)
            found += model.bbox_head.predict(decoded.objects[-1:], fused.text, own.offsets,
                                             samples[start:start + chunk], references=decoded.references)
        return found

    name = f'{count} prompts for a picture of {shape[0]} x {shape[1]}'
    forms = {'full passes': full_passes, f'picture once, {chunk} at a time': two_steps}
    yield from zip([f'{name}: {form}' for form in forms], measure(list(forms.values()), device, repeats, name))


def prompted_detection(config: Config, device: torch.device, repeats: int, shape: Shape, *,
                       names: Sequence[str] = CLASSES, change: Changes = lambda cfg: None) -> Iterator[Row]:
    """One picture asked for all classes of COCO: MDETR, one pass each, and `PromptedMDETR`, which knows the prompts."""

    def prompted_form(cfg: Config) -> None:
        cfg.update(type='PromptedMDETR', test_cfg=dict(prompts=list(names)))
        change(cfg)

    prompted, plain = (build_model(config, device, names, each) for each in (prompted_form, change))
    picture = torch.rand(1, 3, *shape, device=device)

    @torch.inference_mode()
    def full_passes() -> list[InstanceData]:
        return [plain.predict(picture, [caption_sample(name, shape)])[0].pred_instances for name in names]

    @torch.inference_mode()
    def one_pass() -> InstanceData:
        return prompted.predict(picture, [caption_sample(names[0], shape)])[0].pred_instances

    name = f'{len(names)} classes in a picture of {shape[0]} x {shape[1]}'
    forms = {'MDETR, full passes': full_passes, 'PromptedMDETR': one_pass}
    yield from zip([f'{name}: {form}' for form in forms], measure(list(forms.values()), device, repeats, name))


def text_cache(config: Config, device: torch.device, repeats: int, shape: Shape, *, batch: int = 2,
               change: Changes = lambda cfg: None) -> Iterator[Row]:
    """An epoch of training steps, forward and backward, with a frozen text encoder: without and with known features."""
    samples = [training_sample(caption, shape, device) for caption in CAPTIONS]
    batches = [samples[start:start + batch] for start in range(0, len(samples), batch)]
    pictures = torch.rand(batch, 3, *shape, device=device)

    def epoch(model: MDETR) -> None:
        for own in batches:
            model.parse_losses(model.loss(pictures[:len(own)], own))[0].backward()
        model.zero_grad()

    works = []
    for cache in (None, 'memory'):

        def frozen(cfg: Config, cache: str | None = cache) -> None:
            cfg.text_encoder.update(frozen=True, cache=cache)
            change(cfg)

        model = build_model(config, device, CAPTIONS, frozen).train()
        works.append(lambda model=model: epoch(model))
    name = f'epoch of {len(samples)} captions, pictures of {shape[0]} x {shape[1]}'
    forms = ('frozen text encoder', 'its features known')
    yield from zip([f'{name}: {form}' for form in forms], measure(works, device, repeats, name))


def build_model(config: Config, device: torch.device, texts: Sequence[str], change: Changes) -> MDETR:
    """The model of a config with random weights, RoBERTa-base's sizes and a tokenizer of `texts`; no file is needed."""
    cfg = deepcopy(config.model)
    cfg.backbone.init_cfg = None
    with TemporaryDirectory() as folder:
        train_tokenizer(texts, 2000).save_pretrained(folder)
        cfg.text_encoder.update(name=folder, pretrained=False, config={})
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
