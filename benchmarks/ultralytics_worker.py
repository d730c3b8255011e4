"""ultralytics' YOLOv9-T on the CPU, as its users call it, for an interpreter that need not have this package.

    python ultralytics_worker.py THREADS

It loads a random network, then answers each line, the path of an image, with the number of boxes: see
`processes.Worker`. Nothing of ultralytics is copied here; only its published calls are used.
"""
import os
import sys
from collections.abc import Callable, Sequence

import torch
import torch.nn as nn
from torch import Tensor

SCORE_THR, IOU_THR, MOST = 0.25, 0.7, 300


@torch.no_grad()
def make_sure(convs: Sequence[nn.Conv2d], run: Callable[[Tensor], object], image: Tensor, wanted: int = 60) -> None:
    """Let a random network find something: `wanted` pairs of a point and a class in `image` pass `SCORE_THR`.

    `convs` are the last convolutions of the class towers, one per level; `image` is (1, 3, H, W) in [0, 1].
    """
    outputs: dict[nn.Conv2d, Tensor] = {}
    hooks = [conv.register_forward_hook(lambda conv, _, output: outputs.update({conv: output})) for conv in convs]
    generator = torch.Generator().manual_seed(0)
    for conv in convs:
        conv.weight.copy_(torch.randn(conv.weight.shape, generator=generator))
        conv.bias.zero_()
    run(image)
    logits = []
    for conv in convs:
        std, mean = torch.std_mean(outputs[conv], dim=(0, 2, 3))
        conv.weight.div_(std.view(-1, 1, 1, 1))
        conv.bias.copy_(-mean / std)
        logits.append(((outputs[conv] - mean.view(-1, 1, 1)) / std.view(-1, 1, 1)).flatten())
    shift = torch.tensor(SCORE_THR).logit() - torch.cat(logits).topk(wanted).values[-1]
    for conv in convs:
        conv.bias.add_(shift)
    for hook in hooks:
        hook.remove()


def main(threads: int) -> None:
    os.environ.setdefault('YOLO_AUTOINSTALL', 'false')
    from ultralytics import YOLO

    torch.manual_seed(0)
    model = YOLO('yolov9t.yaml')
    network = model.model.eval()
    convs = [module for module in network.modules() if isinstance(module, nn.Conv2d)
             and module.out_channels == 80 and module.kernel_size == (1, 1) and module.bias is not None]
    generator = torch.Generator().manual_seed(0)
    make_sure(convs, network, torch.rand(1, 3, 480, 640, generator=generator))
    print('answer: "ready"', flush=True)
    for line in sys.stdin:
        torch.set_num_threads(threads)  # ultralytics leaves one core alone, which would be half of two
        result, = model.predict(line.strip(), imgsz=640, conf=SCORE_THR, iou=IOU_THR, max_det=MOST, verbose=False,
                                device='cpu')
        print('answer:', len(result.boxes.xyxy.numpy()), flush=True)


if __name__ == '__main__':
    main(int(sys.argv[1]))
