"""Workloads by which two checkouts of the package are compared; `serve.py` runs one of them for `checkouts.py`.

This module uses only those parts of the package that old checkouts have too.
"""
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from torch import Tensor

from . import data, yolov9
from .counts import count
from .inputs import (CAPTIONS, generated_tokenizer, random_batch, random_targets, raw_predictions, write_caption_file,
                     write_images, write_truth)
from .measure import Work

# in a new interpreter, which has the PYTHONPATH of this one
IMPORT = (sys.executable, '-W', 'ignore', '-c', 'import mmdet_ext')


class Step:
    """A whole training step: normalise, forward, loss, backward, clip, optimizer.

    The config is that of the checkout at `root`, below configs/; images are (height, width).
    """

    def __init__(self, root: Path, config: str, device: torch.device, *, batch: int, shape: tuple[int, int],
                 boxes: int = 8) -> None:
        cfg = Config.fromfile(root / 'configs' / config)
        cfg.model.backbone.init_cfg = None
        with generated_tokenizer(cfg.model, CAPTIONS[:2]):
            torch.manual_seed(0)
            self.model = MODELS.build(cfg.model).to(device).train()
        if device.type == 'cuda' and not cfg.optim_wrapper.type.startswith('Amp'):
            cfg.optim_wrapper.type = f'Amp{cfg.optim_wrapper.type}'
        self.optim_wrapper = build_optim_wrapper(self.model, cfg.optim_wrapper)
        self.data = random_batch(batch, shape, boxes, 'text_encoder' in cfg.model)

    def __call__(self) -> None:
        self.train(self.prepare())

    def prepare(self) -> dict:
        """The normalised and padded batch on the device."""
        samples = [sample.clone() for sample in self.data['data_samples']]
        return self.model.data_preprocessor(dict(inputs=list(self.data['inputs']), data_samples=samples), True)

    def train(self, batch: dict) -> None:
        """What mmengine's `train_step` does after the preprocessor, which reads sizes from the host's memory only."""
        with self.optim_wrapper.optim_context(self.model):
            losses = self.model(**batch, mode='loss')
        self.optim_wrapper.update_params(self.model.parse_losses(losses)[0])

    @property
    def host_tensors(self) -> list[Tensor]:
        """The optimizer's counts of steps, which torch keeps in the host's memory unless the optimizer is fused."""
        optimizer = self.optim_wrapper.optimizer
        return [optimizer.state[parameter]['step'] for group in optimizer.param_groups for parameter in group['params']
                if not (group.get('fused') or group.get('capturable')) and 'step' in optimizer.state[parameter]]


def assign(boxes: int, device: torch.device) -> Work:
    """YOLOv9's assigner and loss at batch 8 and 640 px, with so many boxes an image."""
    return yolov9.sparse_form(raw_predictions(8, 640, 80, device), random_targets(8, boxes, 640, 80, device))


def modulated_attention(device: torch.device) -> Work:
    """Six layers of SMCA's decoder on a map of 25 x 34 cells, forward and backward, batch 2, 300 queries."""
    from mmdet_ext.models.transformers import Memory, SMCATransformerDecoder

    torch.manual_seed(0)
    attention = dict(embed_dims=256, num_heads=8, dropout=0.)
    ffn = dict(embed_dims=256, feedforward_channels=1024, ffn_drop=0.)
    decoder = SMCATransformerDecoder(6, dict(self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=ffn)).to(device)
    query_pos, value, key = (torch.randn(2, size, 256).to(device) for size in (300, 850, 850))
    memory = Memory([value], [key], [None], [(25, 34)])
    sizes = torch.tensor([[1066., 800.]] * 2, device=device)

    def work() -> None:
        decoder(torch.zeros_like(query_pos), query_pos, memory, sizes).hidden_states.square().mean().backward()
        decoder.zero_grad()

    return work


def prediction(root: Path, device: torch.device, folder: Path) -> Work:
    """YOLOv9-T from a jpg to boxes, by `Predictor` or, where there is none, by `DetInferencer`; some 30 boxes."""
    from mmdet.apis import DetInferencer

    from mmdet_ext.deployment import deployed_config

    from .prediction import detector

    write_images(folder, 1)
    image = str(folder / '0.jpg')
    cfg, _, checkpoint = detector(root / 'configs/yolov9/yolov9t_coco.py', image, folder)
    cfg = deployed_config(cfg)
    if (root / 'mmdet_ext/predict').is_dir():  # an import would find that of an installed checkout
        from mmdet_ext.predict import Predictor
        inferencer = Predictor(cfg, checkpoint, str(device))
    else:
        inferencer = DetInferencer(cfg, checkpoint, device=str(device), show_progress=False)
    return lambda: inferencer(image)


def training_images(root: Path, folder: Path, images: int = 32) -> Work:
    """Load and augment training images of YOLOv9-C at 640 px, with one process and one thread."""
    write_images(folder, images)
    truth = write_truth(folder / 'truth.json', images)
    return data.making_images(root / 'configs/yolov9/yolov9c_coco.py', truth, folder, images)


def workload(root: Path, name: str, device: torch.device, folder: Path) -> Work:
    """The workload of this name; training steps are smaller on the CPU."""
    cuda = device.type == 'cuda'
    yolo = dict(batch=16, shape=(640, 640)) if cuda else dict(batch=2, shape=(320, 320))
    detr = dict(batch=2, shape=(800, 1066)) if cuda else dict(batch=2, shape=(320, 416))

    makers: dict[str, Callable[[], Work]] = {
        'step-yolov9t': lambda: Step(root, 'yolov9/yolov9t_coco.py', device, **yolo),
        'step-yolov9c': lambda: Step(root, 'yolov9/yolov9c_coco.py', device, **yolo),
        'step-yolov9c-rd': lambda: Step(root, 'yolo_rd/yolov9c_rd_coco.py', device, **yolo),
        'step-smca': lambda: Step(root, 'smca/smca_r50_50e_coco.py', device, **detr),
        'step-mdetr': lambda: Step(root, 'mdetr/mdetr_r101_pretrain.py', device, **detr),
        **{f'assign-{boxes}': partial(assign, boxes, device) for boxes in (20, 100, 1000)},
        'smca-decoder': lambda: modulated_attention(device),
        'predict-yolov9t': lambda: prediction(root, device, folder),
        'training-images': lambda: training_images(root, folder),
        'figures': lambda: data.figures('YOLOCocoMetric', write_truth(folder / 'truth.json', 500), 100),
        'captions': lambda: data.reading('MDETRDataset', write_caption_file(folder / 'captions.json', 50_000)),
        'annotations': lambda: data.reading('YOLOCocoDataset', write_truth(folder / 'truth.json', 5_000)),
        'import': lambda: partial(subprocess.run, IMPORT, check=True)}
    return makers[name]()


def counted(work: Work) -> dict[str, object]:
    """What a call costs the host: of a training step, the part behind the preprocessor."""
    call, host_tensors, groups = work, (), None
    if isinstance(work, Step):
        call, host_tensors = partial(work.train, work.prepare()), work.host_tensors
        groups = len(work.optim_wrapper.param_groups)
    counts = count(call, host_tensors)
    return dict(operators=counts.operators.total(), synchronisations=dict(counts.synchronisations),
                uploads=counts.uploads.total(), groups=groups)
