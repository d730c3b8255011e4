"""Print medians, peak memory and ratios of our forms against plain ones, all measured in this one run.

    python tools/benchmark.py [WHICH ...] [--device cuda] [--repeats 20]

Or compare this checkout with another one, each in a process of its own, asked in turn:

    python tools/benchmark.py --against ../old_checkout [WHICH ...]

Or count what the host does in a training step: operators that it dispatches, results that it waits for, tensors that it
sends, groups of the optimizer; with --against of both checkouts:

    python tools/benchmark.py --counts [WHICH ...]
"""
import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmdet_ext.benchmarks.measure import Row

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / 'configs'
NAMES = ('deployment', 'loss', 'loss-100', 'loss-1000', 'dictionary', 'dictionary-module', 'modulation',
         'modulation-large', 'prompts', 'prompted-detection', 'text-cache', 'prediction', 'figures', 'captions',
         'training-images', 'imports', 'threads', 'threads-large', 'threads-busy', 'combination')


def parse_args() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('which', nargs='*', metavar='WHICH',
                        help=f'any of {", ".join(NAMES)} (default: all); with --against and --counts see there')
    parser.add_argument('--device', help='cpu, cuda, cuda:1, ... (default: a GPU if there is one)')
    parser.add_argument('--dtype', choices=['float32', 'bfloat16'], default='float32',
                        help='of modulated attention (default: float32)')
    parser.add_argument('--repeats', type=int, default=11,
                        help='timed calls of each form, of MDETR at most 3 (default: 11)')
    parser.add_argument('--against', type=Path, metavar='CHECKOUT', help='another checkout of this repository')
    parser.add_argument('--counts', action='store_true', help='count, instead of timing')
    parser.add_argument('--threads', type=int, default=1, help='of each process of --against on the CPU (default: 1)')
    parser.add_argument('--ultralytics', metavar='PYTHON',
                        help='interpreter that has ultralytics, for prediction (default: this one, if it has)')
    return parser, parser.parse_args()


def main() -> None:
    parser, args = parse_args()
    if args.repeats < 1 or args.threads < 1:
        parser.error(f'--repeats and --threads should be at least 1, got {args.repeats} and {args.threads}')
    if args.against and not (args.against / 'mmdet_ext').is_dir():
        parser.error(f'--against {args.against}: there is no mmdet_ext in it')

    # only now, so that --help and wrong arguments are quick
    import torch

    device = torch.device(args.device or ('cuda' if torch.cuda.is_available() else 'cpu'))
    if device.type == 'cuda' and not torch.cuda.is_available():
        parser.error(f'--device {args.device}: torch sees no CUDA device')
    if args.against or args.counts:
        compare_checkouts(parser, args, device.type)
    else:
        compare_forms(parser, args, device)


def chosen(parser: argparse.ArgumentParser, which: list[str], names: Iterable[str]) -> list[str]:
    """What is asked for, all by default."""
    if unknown := [name for name in which if name not in names]:
        parser.error(f'no benchmark {unknown[0]}; there are {", ".join(names)}')
    return which or list(names)


def compare_forms(parser: argparse.ArgumentParser, args: argparse.Namespace, device: 'torch.device') -> None:
    names = chosen(parser, args.which, NAMES)

    import torch
    from mmdet.utils import register_all_modules

    register_all_modules(init_default_scope=True)
    calls = min(args.repeats, 3)
    where = torch.cuda.get_device_name(device) if device.type == 'cuda' else f'CPU, {torch.get_num_threads()} threads'
    print(f'torch {torch.__version__}, {where}, median of {args.repeats}, MDETR of {calls}, the combination once')
    print_header()
    benchmarks = forms(args, device, calls)
    for name in names:
        print_rows(benchmarks[name]())


def forms(args: argparse.Namespace, device: 'torch.device', calls: int) -> 'dict[str, Callable[[], Iterable[Row]]]':
    """The benchmarks by name; MDETR's images have an ordinary size where that does not take an hour."""
    import torch
    from mmengine.config import Config

    from mmdet_ext.benchmarks import combination, data, mdetr, prediction, smca, startup, yolo_rd, yolov9

    dtype, shape = getattr(torch, args.dtype), (800, 1056) if device.type == 'cuda' else (192, 256)
    mdetr_r101, mdetr_r18 = CONFIGS / '_base_/mdetr_model.py', CONFIGS / 'mdetr/mdetr_r18_coco128.py'
    return {
        'deployment': lambda: yolov9.deployment(CONFIGS / 'yolov9/yolov9c_coco.py', device, args.repeats),
        'loss': lambda: yolov9.assignment_and_loss(device, args.repeats),
        'loss-100': lambda: yolov9.assignment_and_loss(device, calls, boxes=100),
        'loss-1000': lambda: yolov9.assignment_and_loss(device, 1, boxes=1000),
        'dictionary': lambda: yolo_rd.network(CONFIGS / 'yolo_rd/yolov9c_rd_coco.py', device, args.repeats),
        'dictionary-module': lambda: yolo_rd.module(device, args.repeats),
        'modulation': lambda: smca.attention(device, args.repeats, (25, 34), dtype),
        'modulation-large': lambda: smca.attention(device, args.repeats, (100, 134), dtype),
        'prompts': lambda: mdetr.prompts(Config.fromfile(mdetr_r101), device, calls, shape),
        'prompted-detection': lambda: mdetr.prompted_detection(Config.fromfile(mdetr_r101), device, calls, shape),
        'text-cache': lambda: mdetr.text_cache(Config.fromfile(mdetr_r18), device, calls, shape),
        'prediction': lambda: prediction.prediction(CONFIGS / 'yolov9/yolov9t_coco.py', device, args.repeats,
                                                    ultralytics_python=args.ultralytics),
        'figures': lambda: data.coco_figures(),
        'captions': lambda: data.captions(),
        'training-images': lambda: data.training_images(CONFIGS / 'yolov9/yolov9c_coco.py'),
        'imports': lambda: startup.imports(min(args.repeats, 5)),
        'threads': lambda: startup.threads(ROOT),
        'threads-large': lambda: startup.threads(ROOT, size=320, batch=16),
        'threads-busy': lambda: startup.threads(ROOT, busy=True),
        'combination': lambda: combination.combination(ROOT / 'tools/data/build_mdetr_combined.py'),
    }


def compare_checkouts(parser: argparse.ArgumentParser, args: argparse.Namespace, device: str) -> None:
    from mmdet_ext.benchmarks import against

    names = chosen(parser, args.which, against.STEPS if args.counts else against.WORKLOADS)
    if args.counts:
        print(f'{"":50}{"operators":>10}{"groups":>8}{"sent":>6}  waits of the host')
        for label, found in against.counts([*filter(None, [args.against]), against.HERE], names, device):
            waits = ', '.join(f'{name} {times}' for name, times in found['synchronisations'].items())
            print(f'{label:50}{found["operators"]:>10}{found["groups"]:>8}{found["uploads"]:>6}  {waits or "none"}')
        return
    print(f'{device}, {args.threads} threads, median of {args.repeats}; ratios to {args.against}')
    print_header()
    for name in names:
        print_rows(against.compare(args.against, [name], device, args.repeats, args.threads))


def print_header() -> None:
    print(f'{"":80}{"time":>11}{"ratio":>8}{"peak memory":>14}{"ratio":>8}')


def print_rows(rows: 'Iterable[Row]') -> None:
    """Each with its ratios to the first."""
    reference = None
    for label, found in rows:
        reference = reference or found
        memory = f'{found.peak_bytes / reference.peak_bytes:>8.2f}' if reference.peak_bytes else ''
        print(f'{label:80}{found.seconds * 1e3:>8.1f} ms{found.seconds / reference.seconds:>8.2f}'
              f'{found.peak_bytes / 2**20:>10.1f} MiB{memory}', flush=True)


if __name__ == '__main__':
    main()
