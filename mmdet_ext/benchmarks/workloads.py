"""Work that two checkouts of the package are compared by; `against.py` starts this file once for each of them.

    PYTHONPATH=CHECKOUT python workloads.py CHECKOUT NAME DEVICE

The process prepares the work, prints a line, and answers each line that it reads: 'time' with the seconds of one call,
'peak' with the bytes that a call held at most, 'count' with what the host did. Answers are lines of json that begin with
`ANSWER`. This file takes from the package only what old checkouts have too.
"""
import importlib.util
import json
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
        root: Checkout.
        config: Its config file below configs/.
        device: Where to train.
        batch: Images.
        shape: Height and width of the images.
        boxes: Per image.
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
                from mmdet_ext.models.text_encoders.tokenizer_training import train_tokenizer
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
        """What mmengine's `train_step` does behind the preprocessor, which looks at sizes in the host's memory only."""
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
        states = [(group, optimizer.state[parameter]) for group in optimizer.param_groups for parameter in group['params']]
        return [state['step'] for group, state in states
                if 'step' in state and not (group.get('fused') or group.get('capturable'))]


CAPTIONS = ('two men in blue jackets are standing next to a parked motorcycle on a busy street',
            'a woman with a white hat is holding a small brown dog in her arms')


def random_batch(batch: int, shape: tuple[int, int], boxes: int, captions: bool) -> tuple[list[Tensor], list]:
    """Images (3, H, W) of noise, and samples with boxes of any size; with captions whose words the boxes are."""
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


def workload(root: Path, name: str, device: torch.device) -> Work:
    """The work of a name: the sizes are smaller on the CPU."""
    cuda = device.type == 'cuda'
    yolo = dict(batch=16, shape=(640, 640)) if cuda else dict(batch=2, shape=(320, 320))
    detr = dict(batch=2, shape=(800, 1066)) if cuda else dict(batch=2, shape=(320, 416))
    steps = {
        'step-yolov9t': ('yolov9/yolov9t_coco.py', yolo),
        'step-yolov9c': ('yolov9/yolov9c_coco.py', yolo),
        'step-yolov9c-rd': ('yolo_rd/yolov9c_rd_coco.py', yolo),
        'step-smca': ('smca/smca_r50_50e_coco.py', detr),
        'step-mdetr': ('mdetr/mdetr_r101_pretrain.py', detr)}
    if name in steps:
        config, options = steps[name]
        return Step(root, config, device, **options)
    if name.startswith('assign-'):
        return assignment_and_loss(device, int(name.removeprefix('assign-')))
    raise ValueError(f'there is no workload {name}')


def sibling(name: str) -> ModuleType:
    """A module beside this file, whatever checkout the package comes from."""
    spec = importlib.util.spec_from_file_location(f'benchmark_{name}', BENCHMARKS / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


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
    work = workload(root, name, device)
    answers = dict(time=lambda: timed(work, device), peak=lambda: sibling('measure').peak_bytes(work, device),
                   count=lambda: counted(work), ready=lambda: 'ready')
    print(f'{ANSWER}"ready"', flush=True)
    for line in sys.stdin:
        print(ANSWER + json.dumps(answers[line.strip()]()), flush=True)


if __name__ == '__main__':
    sys.path.pop(0)  # the folder of this file, whose modules are no top-level ones
    serve(Path(sys.argv[1]), sys.argv[2], torch.device(sys.argv[3]))
