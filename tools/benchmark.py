"""Print medians, peak memory and ratios of our forms against plain ones, all measured in this one run.

    python tools/benchmark.py [WHICH ...] [--device cuda] [--repeats 20]

Or compare this checkout with another one, each in a process of its own, asked in turn:

    python tools/benchmark.py --against ../old_checkout [WHICH ...]

Or count what the host does in a training step: operators that it dispatches, results that it waits for, tensors that it
sends, groups of the optimizer; with --against of both checkouts:

    python tools/benchmark.py --counts [WHICH ...]
"""
import argparse
import sys
from pathlib import Path

from mmdet_ext.command_line import run

ROOT = Path(__file__).resolve().parents[1]


def parse_args() -> argparse.Namespace:
    import benchmarks

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('which', nargs='*', metavar='WHICH',
                        help=f'any of {", ".join(benchmarks.FORMS)} (default: all); with --against any of '
                        f'{", ".join(benchmarks.WORKLOADS)}; with --counts the first {len(benchmarks.STEPS)} of these')
    parser.add_argument('--device', help='cpu, cuda, cuda:1, ... (default: a GPU if there is one)')
    parser.add_argument('--dtype', choices=['float32', 'bfloat16'], default='float32',
                        help='of modulated attention (default: float32)')
    parser.add_argument('--repeats', type=int, metavar='N', default=11,
                        help='timed calls of each form, of MDETR at most 3 (default: 11)')
    parser.add_argument('--against', type=Path, metavar='CHECKOUT', help='another checkout of this repository')
    parser.add_argument('--counts', action='store_true', help='count, instead of timing')
    parser.add_argument('--threads', type=int, metavar='N', default=1,
                        help='of each process of --against on the CPU (default: 1)')
    parser.add_argument('--ultralytics', metavar='PYTHON',
                        help='interpreter that has ultralytics, for prediction (default: this one, if it has)')
    args = parser.parse_args()
    if args.repeats < 1 or args.threads < 1:
        parser.error(f'--repeats and --threads should be at least 1, got {args.repeats} and {args.threads}')
    if args.against and not (args.against / 'mmdet_ext').is_dir():
        parser.error(f'--against {args.against}: there is no mmdet_ext in it')
    names = benchmarks.STEPS if args.counts else benchmarks.WORKLOADS if args.against else benchmarks.FORMS
    if unknown := [name for name in args.which if name not in names]:
        parser.error(f'no benchmark {unknown[0]}; there are {", ".join(names)}')
    args.which = args.which or names
    return args


def main() -> None:
    if not (ROOT / 'benchmarks/__init__.py').is_file():
        raise FileNotFoundError(f'there is no folder {ROOT / "benchmarks"}: benchmarks come with a checkout of the '
                                'repository, not with an installed package')
    sys.path.insert(0, str(ROOT))
    args = parse_args()

    # only now, so that --help and wrong arguments are quick
    import torch

    from benchmarks import check_package, checkouts, forms, tables
    from mmdet_ext.predict.loading import choose_device

    check_package(ROOT)
    device = choose_device(args.device)
    if args.counts:
        tables.print_counts(checkouts.counts([*filter(None, [args.against]), ROOT], args.which, device.type))
        return
    if args.against:
        print(f'{device.type}, {args.threads} threads, median of {args.repeats}; ratios to {args.against}')
        for name in args.which:
            tables.print_rows(checkouts.compare(args.against, name, device.type, args.repeats, args.threads))
        return
    from mmdet.utils import register_all_modules

    register_all_modules(init_default_scope=True)
    machine = f'CPU, {torch.get_num_threads()} threads'
    if device.type == 'cuda':
        machine = torch.cuda.get_device_name(device)
    print(f'torch {torch.__version__}, {machine}, median of {args.repeats}, MDETR of {min(args.repeats, 3)}, the '
          'combination once')
    benchmarks = forms.benchmarks(device, args.repeats, getattr(torch, args.dtype), args.ultralytics)
    for name in args.which:
        tables.print_rows(benchmarks[name]())


if __name__ == '__main__':
    run(main)
