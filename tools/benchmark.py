"""Print medians, peak memory and ratios of our forms against plain ones, all measured in this one run.

    python tools/benchmark.py [deployment] [loss] [--device cuda] [--repeats 20]
"""
import argparse
from pathlib import Path

import torch
from mmdet.utils import register_all_modules
from mmdet_ext.benchmarks import yolov9

CONFIG = Path(__file__).parents[1] / 'configs/yolov9/yolov9c_coco.py'
BENCHMARKS = dict(
    deployment=lambda device, repeats: yolov9.deployment(CONFIG, device, repeats), loss=yolov9.assignment_and_loss)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('which', nargs='*', metavar='WHICH', help=f'any of {", ".join(BENCHMARKS)} (default: all)')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--repeats', type=int, default=11, help='timed calls of each form (default: 11)')
    args = parser.parse_args()
    unknown = [name for name in args.which if name not in BENCHMARKS]
    if unknown or args.repeats < 1:
        parser.error(f'no benchmark {unknown[0]}; there are {", ".join(BENCHMARKS)}' if unknown else
                     f'--repeats should be at least 1, got {args.repeats}')
    register_all_modules(init_default_scope=True)
    device = torch.device(args.device)
    where = torch.cuda.get_device_name(device) if device.type == 'cuda' else f'CPU, {torch.get_num_threads()} threads'
    print(f'torch {torch.__version__}, {where}, median of {args.repeats}')
    print(f'{"":80}{"time":>11}{"ratio":>8}{"peak memory":>14}{"ratio":>8}')
    for name in args.which or BENCHMARKS:
        reference = None
        for label, found in BENCHMARKS[name](device, args.repeats):
            reference = reference or found
            print(f'{label:80}{found.seconds * 1e3:>8.1f} ms{found.seconds / reference.seconds:>8.2f}'
                  f'{found.peak_bytes / 2**20:>10.1f} MiB{found.peak_bytes / reference.peak_bytes:>8.2f}')


if __name__ == '__main__':
    main()
