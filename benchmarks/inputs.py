"""Generated inputs of the benchmarks, the same in each run: images, annotations, captions, detections, raw maps."""
import json
import random
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import mmdet_ext  # noqa: F401  first: mmdet needs operators, which it has from here if not from mmcv

import cv2
import numpy as np
import torch
from mmdet.testing import demo_mm_inputs
from mmengine.config import ConfigDict
from torch import Tensor

from mmdet_ext.models.losses import DensePredictions
from mmdet_ext.models.task_modules import BatchTargets

CLASSES = 80
SIZE = (480, 640)  # height and width of images on disk
CAPTIONS = (
    'two men in blue jackets are standing next to a parked motorcycle on a busy street',
    'a woman with a white hat is holding a small brown dog in her arms',
    'several people are sitting at a long table with plates of food and glasses of wine',
    'the child in the red shirt is kicking a ball towards a goal on a green field',
    'a large black cat is lying on top of a wooden bench in front of a shop window',
    'an older man is riding his bicycle past a row of trees with yellow leaves',
    'a train is pulling into the station while passengers wait behind the line',
    'three horses are grazing behind a fence with mountains in the background')
WORDS = ('man', 'woman', 'dog', 'cat', 'tree', 'car', 'street', 'shirt', 'table', 'chair', 'window', 'wall', 'plate',
         'building', 'sky', 'grass', 'white', 'black', 'old', 'small')


def random_batch(batch: int, shape: tuple[int, int], boxes: int, captions: bool) -> dict[str, list]:
    """mmdet's random images (3, H, W) and samples with boxes; with `captions`, each box belongs to the first word."""
    data = demo_mm_inputs(batch, (3, *shape), [boxes] * batch, num_classes=6)
    for i, sample in enumerate(data['data_samples']):
        caption, instances = CAPTIONS[i % 2], sample.gt_instances
        sample.set_metainfo(dict(scale_factor=(1., 1.), img_path=f'{i}.jpg', text=caption))
        if captions:
            instances.tokens_positive = [[[0, caption.index(' ')]]] * boxes
            instances.labels = torch.zeros_like(instances.labels)
    return data


@contextmanager
def generated_tokenizer(model_cfg: ConfigDict, texts: Sequence[str], size: int = 2000) -> Iterator[None]:
    """Within the block, a model with a text encoder is built with RoBERTa-base's sizes, without its files."""
    if 'text_encoder' not in model_cfg:
        yield
        return
    try:
        from mmdet_ext.text.tokenizer_training import train_tokenizer
    except ModuleNotFoundError:  # an old checkout
        from mmdet_ext.models.text_encoders.tokenizer_training import train_tokenizer

    with TemporaryDirectory() as folder:
        train_tokenizer(texts, size).save_pretrained(folder)
        model_cfg.text_encoder.update(name=folder, pretrained=False, config=model_cfg.text_encoder.get('config', {}))
        yield


def raw_predictions(batch: int, size: int, classes: int, device: torch.device) -> DensePredictions:
    """Random logits for a square image; classes are rare, as in a network in training."""
    generator = torch.Generator().manual_seed(0)
    cells = [size // stride for stride in (8, 16, 32)]
    points = [torch.cartesian_prod(*[torch.arange(n) + 0.5] * 2).flip(1) * (size / n) for n in cells]
    strides = torch.cat([torch.full((n * n, ), size / n) for n in cells])
    class_logits = torch.randn(batch, classes, len(strides), generator=generator) * 1.5 - 5
    box_logits = torch.randn(batch, 4, 16, len(strides), generator=generator) * 3
    leaves = [x.to(device).requires_grad_() for x in (class_logits, box_logits)]
    return DensePredictions(*leaves, torch.cat(points).to(device), strides.to(device))


def random_targets(batch: int, boxes: int, size: int, classes: int, device: torch.device) -> BatchTargets:
    """Boxes with sides between 3 % and 40 % of the image's."""
    generator = torch.Generator().manual_seed(1)
    sides = (0.03 + 0.37 * torch.rand(batch, boxes, 2, generator=generator).square()) * size
    corners = torch.rand(batch, boxes, 2, generator=generator) * (size - sides)
    labels = torch.randint(0, classes, (batch, boxes), generator=generator)
    valid = torch.ones(batch, boxes, dtype=torch.bool)
    return BatchTargets(torch.cat([corners, corners + sides], dim=-1).to(device), labels.to(device), valid.to(device))


def write_truth(path: Path, count: int) -> Path:
    """COCO annotations of `count` images 0.jpg, 1.jpg, ... with up to 14 objects each, boxes and outlines."""
    rng, rows = np.random.default_rng(0), []
    for i in range(count):
        for _ in range(rng.integers(15)):
            width, height = (SIZE[::-1] * (0.02 + 0.5 * rng.random(2)**2)).tolist()
            x, y = (rng.random(2) * (SIZE[1] - width, SIZE[0] - height)).tolist()
            rows.append(dict(id=len(rows) + 1, image_id=i, category_id=int(rng.integers(CLASSES)), iscrowd=0,
                             bbox=[x, y, width, height], area=width * height,
                             segmentation=[[x, y, x + width, y, x + width, y + height, x, y + height]]))
    images = [dict(id=i, file_name=f'{i}.jpg', height=SIZE[0], width=SIZE[1]) for i in range(count)]
    categories = [dict(id=i, name=f'class {i}') for i in range(CLASSES)]
    path.write_text(json.dumps(dict(images=images, annotations=rows, categories=categories)), encoding='utf-8')
    return path


def write_images(folder: Path, count: int, size: tuple[int, int] = SIZE) -> None:
    """Soft noise, which takes as long to decode as photographs do."""
    rng = np.random.default_rng(1)
    for i in range(count):
        noise = rng.integers(0, 255, (60, 80, 3), np.uint8)
        img = cv2.resize(noise, size[::-1], interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f'{i}.jpg'), cv2.add(img, rng.integers(0, 12, img.shape, np.uint8)))


def generated_detections(ann_file: Path, count: int) -> list[tuple[int, dict[str, Tensor]]]:
    """For each image its id, and `count` detections: `bboxes` near the objects or anywhere, `scores` and `labels`."""
    rng, content = np.random.default_rng(2), json.loads(ann_file.read_text(encoding='utf-8'))
    truth = {image['id']: [] for image in content['images']}
    for row in content['annotations']:
        truth[row['image_id']].append((*row['bbox'], row['category_id']))
    samples = []
    for key, rows in truth.items():
        near = np.array(rows).reshape(-1, 5)
        far = np.concatenate([rng.random((count - len(near), 4)) * (320, 240, 320, 240),
                              rng.integers(0, CLASSES, (count - len(near), 1))], axis=1)
        boxes = np.concatenate([near, far])
        boxes[:, 2:4] = (boxes[:, :2] + boxes[:, 2:4]).clip(1)
        boxes[:, :4] += rng.normal(0, 6, (count, 4))
        scores = np.concatenate([0.3 + 0.7 * rng.random(len(near)), 0.6 * rng.random(count - len(near))**3])
        boxes, scores = torch.from_numpy(boxes), torch.from_numpy(scores)
        samples.append((key, dict(bboxes=boxes[:, :4].float(), scores=scores.float(), labels=boxes[:, 4].long())))
    return samples


def write_caption_file(path: Path, count: int) -> Path:
    """Captions in MDETR's format, 20 of each image."""
    draw, content = random.Random(0), dict(images=[], annotations=[])
    for i in range(count):
        if i % 20 == 0:
            boxes = random_boxes(draw)
        add_caption(content, f'{i // 20}.jpg', boxes, draw)
    path.write_text(json.dumps(content), encoding='utf-8')
    return path


def random_boxes(draw: random.Random) -> list[tuple[float, ...]]:
    """Twelve boxes of an image of 500 x 375 pixels: x, y, width, height."""
    return [tuple(map(draw.uniform, (0, 0, 20, 20), (350, 250, 150, 120))) for _ in range(12)]


def add_caption(content: dict, file_name: str, boxes: Sequence[tuple[float, ...]], draw: random.Random) -> None:
    """A caption of 3 to 10 words, of which up to three have one of the boxes each."""
    caption = ' '.join(draw.choices(WORDS, k=draw.randint(3, 10)))
    spans = [list(match.span()) for match in re.finditer(r'\w+', caption)]
    images, rows = content['images'], content['annotations']
    images.append(dict(id=len(images), original_id=len(images), caption=caption, tokens_negative=[[0, len(caption)]],
                       dataset_name='generated', file_name=file_name, height=375, width=500))
    for _ in range(draw.choice([1, 1, 2, 3])):
        x, y, width, height = (round(value + 4 * draw.random(), 2) for value in draw.choice(boxes))
        rows.append(dict(id=len(rows), image_id=images[-1]['id'], bbox=[x, y, width, height], area=width * height,
                         iscrowd=0, category_id=1, tokens_positive=[draw.choice(spans)]))
