"""Print medians, peak memory and ratios of our forms against plain ones, all measured in this one run.

    python tools/benchmark.py [WHICH ...] [--device cuda] [--repeats 20]
"""
import argparse
from pathlib import Path

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
NAMES = ('deployment', 'loss', 'dictionary', 'dictionary-module', 'modulation', 'modulation-large',
         'prompts', 'prompted-detection', 'text-cache', 'combination')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('which', nargs='*', metavar='WHICH', help=f'any of {", ".join(NAMES)} (default: all)')
    parser.add_argument('--device', help='cpu, cuda, cuda:1, ... (default: a GPU if there is one)')
    parser.add_argument('--dtype', choices=['float32', 'bfloat16'], default='float32',
                        help='of modulated attention (default: float32)')
    parser.add_argument('--repeats', type=int, default=11,
                        help='timed calls of each form, of MDETR at most 3 (default: 11)')
    args = parser.parse_args()
    unknown = [name for name in args.which if name not in NAMES]
    if unknown or args.repeats < 1:
        parser.error(f'no benchmark {unknown[0]}; there are {", ".join(NAMES)}' if unknown else
                     f'--repeats should be at least 1, got {args.repeats}')

    # only now, so that --help and wrong arguments are quick
    import torch
    from mmdet.utils import register_all_modules
    from mmengine.config import Config

    from mmdet_ext.benchmarks import combination, mdetr, smca, yolo_rd, yolov9

    register_all_modules(init_default_scope=True)
    device = torch.device(args.device or ('cuda' if torch.cuda.is_available() else 'cpu'))
    dtype = getattr(torch, args.dtype)
    # MDETR's pictures have an ordinary size where that does not take an hour
    shape, calls = (800, 1056) if device.type == 'cuda' else (192, 256), min(args.repeats, 3)
    mdetr_r101, mdetr_r18 = CONFIGS / '_base_/mdetr_model.py', CONFIGS / 'mdetr/mdetr_r18_coco128.py'
    benchmarks = {
        'deployment': lambda: yolov9.deployment(CONFIGS / 'yolov9/yolov9c_coco.py', device, args.repeats),
        'loss': lambda: yolov9.assignment_and_loss(device, args.repeats),
        'dictionary': lambda: yolo_rd.network(CONFIGS / 'yolo_rd/yolov9c_rd_coco.py', device, args.repeats),
        'dictionary-module': lambda: yolo_rd.module(device, args.repeats),
        'modulation': lambda: smca.attention(device, args.repeats, (25, 34), dtype),
        'modulation-large': lambda: smca.attention(device, args.repeats, (100, 134), dtype),
        'prompts': lambda: mdetr.prompts(Config.fromfile(mdetr_r101), device, calls, shape),
        'prompted-detection': lambda: mdetr.prompted_detection(Config.fromfile(mdetr_r101), device, calls, shape),
        'text-cache': lambda: mdetr.text_cache(Config.fromfile(mdetr_r18), device, calls, shape),
        'combination': lambda: combination.combination(CONFIGS.with_name('tools') / 'data/build_mdetr_combined.py'),
    }
    where = torch.cuda.get_device_name(device) if device.type == 'cuda' else f'CPU, {torch.get_num_threads()} threads'
    print(f'torch {torch.__version__}, {where}, median of {args.repeats}, MDETR of {calls}, the combination once')
    print(f'{"":80}{"time":>11}{"ratio":>8}{"peak memory":>14}{"ratio":>8}')
    for name in args.which or NAMES:
        reference = None
        for label, found in benchmarks[name]():
            reference = reference or found
            print(f'{label:80}{found.seconds * 1e3:>8.1f} ms{found.seconds / reference.seconds:>8.2f}'
                  f'{found.peak_bytes / 2**20:>10.1f} MiB{found.peak_bytes / reference.peak_bytes:>8.2f}')


if __name__ == '__main__':
    main()
