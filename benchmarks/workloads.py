"""Workloads by which two checkouts of the package are compared; `against.py` starts this file once for each of them.

    PYTHONPATH=CHECKOUT python workloads.py CHECKOUT NAME DEVICE

The process prepares the work, prints a line, and answers each line that it reads: 'time' with the seconds of one call,
'peak' with the peak memory of a call in bytes, 'count' with what a call costs the host. Answers are lines of json that
begin with `ANSWER`. This file uses only those parts of the package that old checkouts have too.
"""
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import torch
from torch import Tensor

ANSWER = 'answer: '
Work = Callable[[], object]
BENCHMARKS = Path(__file__).resolve().parent


class Step:
    """A whole training step: normalise, forward, loss, backward, clip, optimizer.

    Args:
        root: Path of the checkout.
        config: Path of its config below configs/.
        device: Where to train.
        batch: Number of images.
        shape: Height and width of the images.
        boxes: Number of boxes per image.
    """

    def __init__(self, root: Path, config: str, device: torch.device, *, batch: int, shape: tuple[int, int],
                 boxes: int = 8) -> None:
        from mmdet.registry import MODELS
        from mmengine.config import Config
        from mmengine.optim import build_optim_wrapper

        cfg = Config.fromfile(root / 'configs' / config)
        cfg.model.backbone.init_cfg = None
        with TemporaryDirectory() as folder:
            if 'text_encoder' in cfg.model:
                from mmdet_ext.text.tokenizer_training import train_tokenizer
                train_tokenizer(CAPTIONS, 2000).save_pretrained(folder)
                cfg.model.text_encoder.update(name=folder, pretrained=False, config={})
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
        inputs, samples = self.data
        batch = dict(inputs=list(inputs), data_samples=[sample.clone() for sample in samples])
        return self.model.data_preprocessor(batch, True)

    def train(self, batch: dict) -> None:
        """What mmengine's `train_step` does after the preprocessor, which reads sizes from the host's memory only."""
        with self.optim_wrapper.optim_context(self.model):
            losses = self.model(**batch, mode='loss')
        self.optim_wrapper.update_params(self.model.parse_losses(losses)[0])

    @property
    def groups(self) -> int:
        return len(self.optim_wrapper.param_groups)

    @property
    def host_tensors(self) -> list[Tensor]:
        """The optimizer's counts of steps, which torch keeps in the host's memory unless the optimizer is fused."""
        optimizer = self.optim_wrapper.optimizer
        states = [(group, optimizer.state[parameter]) for group in optimizer.param_groups
                  for parameter in group['params']]
        return [state['step'] for group, state in states
                if 'step' in state and not (group.get('fused') or group.get('capturable'))]


CAPTIONS = ('two men in blue jackets are standing next to a parked motorcycle on a busy street',
            'a woman with a white hat is holding a small brown dog in her arms')


def random_batch(batch: int, shape: tuple[int, int], boxes: int, captions: bool) -> tuple[list[Tensor], list]:
    """Images (3, H, W) of noise, and samples with random boxes; with `captions`, each box belongs to the first word."""
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    generator = torch.Generator().manual_seed(0)
    height, width = shape
    samples = []
    for i in range(batch):
        corners = torch.rand(boxes, 2, 2, generator=generator).sort(dim=1).values * torch.tensor([width, height])
        corners[:, 1] = (corners[:, 1] + 8).minimum(torch.tensor([width, height]))
        instances = InstanceData(bboxes=corners.flatten(1), labels=torch.randint(0, 6, (boxes, ), generator=generator))
        meta = dict(img_shape=shape, ori_shape=shape, scale_factor=(1., 1.), img_id=i, img_path=f'{i}.jpg')
        if captions:
            meta['text'] = caption = CAPTIONS[i % len(CAPTIONS)]
            instances.tokens_positive = [[[0, caption.index(' ')]]] * boxes
            instances.labels = torch.zeros_like(instances.labels)
        samples.append(DetDataSample(metainfo=meta, gt_instances=instances))
    images = torch.randint(0, 256, (batch, 3, height, width), generator=generator, dtype=torch.uint8)
    return list(images), samples


def assignment_and_loss(device: torch.device, boxes: int) -> Work:
    """YOLOv9's assigner and loss, forward and backward, at batch 8 and 640 px."""
    from mmdet.registry import TASK_UTILS

    from mmdet_ext.benchmarks.yolov9 import random_targets, raw_predictions
    from mmdet_ext.models.losses import task_aligned_losses

    predictions, targets = raw_predictions(8, 640, 80, device), random_targets(8, boxes, 640, 80, device)
    assigner = TASK_UTILS.build(dict(type='BatchTaskAlignedAssigner'))

    def work() -> None:
        with torch.no_grad():
            decoded = predictions.boxes()
        assignment = assigner(predictions.class_logits, decoded, predictions.points, targets)
        sum(task_aligned_losses(predictions, assignment, targets).values()).backward()
        predictions.class_logits.grad = predictions.box_logits.grad = None

    return work


def modulated_attention(device: torch.device) -> Work:
    """Six layers of SMCA's decoder on a map of 25 x 34 cells, forward and backward, batch 2, 300 queries."""
    from mmdet_ext.models.transformers import Memory, SMCATransformerDecoder

    attention = dict(embed_dims=256, num_heads=8, dropout=0.)
    layer = dict(self_attn_cfg=attention, cross_attn_cfg=attention,
                 ffn_cfg=dict(embed_dims=256, feedforward_channels=1024, ffn_drop=0.))
    torch.manual_seed(0)
    decoder = SMCATransformerDecoder(6, layer).to(device)
    generator = torch.Generator().manual_seed(0)
    query_pos, value, key = (torch.randn(2, size, 256, generator=generator).to(device) for size in (300, 850, 850))
    memory = Memory([value], [key], [None], [(25, 34)])
    sizes = torch.tensor([[1066., 800.]] * 2, device=device)

    def work() -> None:
        decoder(torch.zeros_like(query_pos), query_pos, memory, sizes).hidden_states.square().mean().backward()
        decoder.zero_grad()

    return work


def prediction(root: Path, device: torch.device, folder: Path) -> Work:
    """YOLOv9-T from a jpg to boxes, by `Predictor` or, where there is none, by `DetInferencer`; some 30 boxes."""
    import cv2
    from mmdet.apis import DetInferencer
    from mmdet.registry import MODELS
    from mmengine.config import Config

    from mmdet_ext.deployment import deploy, deployed_config

    sibling('data').write_images(folder, 1)
    image = str(folder / '0.jpg')
    cfg = Config.fromfile(root / 'configs/yolov9/yolov9t_coco.py')
    cfg.model.test_cfg.update(score_thr=0.25, nms=dict(type='nms', iou_threshold=0.7), max_per_img=300)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).eval()
    pixels = torch.from_numpy(cv2.imread(image)).flip(2).permute(2, 0, 1)[None] / 255
    classifiers = [tower[-1] for tower in model.bbox_head.class_towers]
    sibling('ultralytics_worker').make_sure(classifiers, lambda x: model(x, mode='tensor'), pixels)
    meta = dict(dataset_meta=dict(classes=tuple(map(str, range(80)))))
    torch.save(dict(state_dict=deploy(model).state_dict(), meta=meta), folder / 'folded.pth')
    cfg = deployed_config(cfg)
    if (root / 'mmdet_ext/predict').is_dir():  # an import would find that of an installed checkout
        from mmdet_ext.predict import Predictor
        inferencer = Predictor(cfg, str(folder / 'folded.pth'), str(device))
    else:
        inferencer = DetInferencer(cfg, str(folder / 'folded.pth'), device=str(device), show_progress=False)
    return lambda: inferencer(image)


def figures(folder: Path) -> Work:
    """YOLOv9's COCO metric for 500 images with 100 detections each."""
    from mmdet_ext.evaluation import YOLOCocoMetric

    data = sibling('data')
    truth = folder / 'truth.json'
    data.write_truth(truth, 500)
    metric = YOLOCocoMetric(str(truth))
    metric.dataset_meta = dict(classes=tuple(f'class {i}' for i in range(data.CLASSES)))
    samples = data.generated_detections(str(truth), 100)

    def work() -> None:
        for key, boxes, scores, labels in samples:
            predictions = dict(bboxes=torch.from_numpy(boxes), scores=torch.from_numpy(scores),
                               labels=torch.from_numpy(labels))
            metric.process({}, [dict(img_id=key, ori_shape=data.SIZE, pred_instances=predictions)])
        metric.evaluate(len(samples))

    return work


def captions(folder: Path) -> Work:
    """Read and check a data set of MDETR with 50,000 captions."""
    from mmdet_ext.datasets import MDETRDataset

    sibling('data').write_caption_file(folder / 'captions.json', 50_000)
    return lambda: MDETRDataset(ann_file=str(folder / 'captions.json'), data_prefix=dict(img='images'), pipeline=[])


def training_images(root: Path, folder: Path, count: int = 32) -> Work:
    """Load and augment `count` training images of YOLOv9-C at 640 px, with one process and one thread."""
    import cv2
    from mmdet.registry import DATASETS
    from mmengine.config import Config

    from mmdet_ext.datasets.seeded import SeededIndex

    cv2.setNumThreads(0)
    data = sibling('data')
    data.write_truth(folder / 'truth.json', count)
    data.write_images(folder, count)
    cfg = Config.fromfile(root / 'configs/yolov9/yolov9c_coco.py').train_dataloader.dataset
    cfg.dataset.update(data_root='', ann_file=str(folder / 'truth.json'), data_prefix=dict(img=str(folder)),
                       metainfo=dict(classes=[f'class {i}' for i in range(data.CLASSES)]))
    dataset = DATASETS.build(cfg)
    return lambda: [dataset[SeededIndex(i, i)] for i in range(count)]


def importing(root: Path) -> Work:
    """`import mmdet_ext` in a new interpreter."""
    environment = os.environ | dict(PYTHONPATH=str(root))
    command = [sys.executable, '-W', 'ignore', '-c', 'import mmdet_ext']
    return lambda: subprocess.run(command, env=environment, check=True)


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
        'assign-20': lambda: assignment_and_loss(device, 20),
        'assign-100': lambda: assignment_and_loss(device, 100),
        'assign-1000': lambda: assignment_and_loss(device, 1000),
        'smca-decoder': lambda: modulated_attention(device),
        'predict-yolov9t': lambda: prediction(root, device, folder),
        'figures': lambda: figures(folder),
        'captions': lambda: captions(folder),
        'training-images': lambda: training_images(root, folder),
        'import': lambda: importing(root)}
    return makers[name]()


def sibling(name: str) -> ModuleType:
    """A module beside this file, whatever checkout the package comes from."""
    package = sys.modules.setdefault('these_benchmarks', ModuleType('these_benchmarks'))
    package.__path__ = [str(BENCHMARKS)]
    return importlib.import_module(f'these_benchmarks.{name}')


def timed(work: Work, device: torch.device) -> float:
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    work()
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def counted(work: Work) -> dict[str, object]:
    batch = work.prepare() if isinstance(work, Step) else None
    counts = sibling('counts').count(work if batch is None else lambda: work.train(batch),
                                     getattr(work, 'host_tensors', ()))
    return dict(operators=counts.operators.total(), synchronisations=dict(counts.synchronisations),
                uploads=counts.uploads.total(), groups=getattr(work, 'groups', None))


def serve(root: Path, name: str, device: torch.device) -> None:
    from mmengine.registry import init_default_scope

    import mmdet_ext

    if Path(mmdet_ext.__file__).resolve().parents[1] != root.resolve():
        raise RuntimeError(f'mmdet_ext is imported from {mmdet_ext.__file__}, not from {root}')
    init_default_scope('mmdet')
    with TemporaryDirectory() as folder:
        work = workload(root, name, device, Path(folder))
        answers = dict(time=lambda: timed(work, device), peak=lambda: sibling('measure').peak_bytes(work, device),
                       count=lambda: counted(work))
        print(f'{ANSWER}"ready"', flush=True)
        for line in sys.stdin:
            print(ANSWER + json.dumps(answers[line.strip()]()), flush=True)


if __name__ == '__main__':
    sys.path.pop(0)  # the folder of this file, whose modules are no top-level ones
    serve(Path(sys.argv[1]), sys.argv[2], torch.device(sys.argv[3]))
