"""Train several configs one after the other, and compare their AP over epochs.

    python tools/compare.py CONFIG CONFIG [...] [--seeds 0 1 2] [--out DIR] [--metric coco/bbox_mAP]
        [--train-options KEY=VALUE ...]

Logs and checkpoints of each go to DIR/NAME_OF_CONFIG, the comparison to DIR/comparison.md, .json and .png: the metric
after each validation, and after how many epochs the first config is as good as each other one at its end.
With --seeds each config is trained with each of them, in DIR/NAME_OF_CONFIG/seed_N, and the comparison has means and
standard deviations.
An interrupted comparison goes on where it was when the same command is given again.
"""
import argparse
from pathlib import Path

from mmdet_ext.command_line import run

TRAIN = Path(__file__).resolve().with_name('train.py')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', nargs='+', metavar='CONFIG', help='two configs or more; the first is compared with '
                        'each of the others')
    parser.add_argument('--seeds', nargs='+', type=int, default=[], metavar='N', help='train each config with each of '
                        'these seeds (default: once, with the seed of the config)')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/compare'), metavar='DIR',
                        help='folder of everything (default: work_dirs/compare)')
    parser.add_argument('--metric', default='coco/bbox_mAP', help='as the logs name it, better the greater it is '
                        '(default: coco/bbox_mAP)')
    parser.add_argument('--train-options', nargs='+', default=[], metavar='KEY=VALUE',
                        help='passed to train.py --cfg-options; for other options take another DIR')
    parser.add_argument('--jobs', type=int, default=1, metavar='N', help='train N at a time, each with its share of '
                        'the cores (unless OMP_NUM_THREADS is set) and its output in DIR/NAME_OF_CONFIG/train.log '
                        '(default: 1, with its output here)')
    parser.add_argument('--draw-only', action='store_true', help='train nothing: compare what the logs have so far')
    args = parser.parse_args()
    if len(args.configs) < 2:
        parser.error(f'there should be two configs or more to compare, got {args.configs[0]}')
    if args.jobs < 1:
        parser.error(f'--jobs should be at least 1, got {args.jobs}')
    if wrong := [option for option in args.train_options if '=' not in option]:
        parser.error(f'--train-options should be KEY=VALUE, got {wrong[0]}')
    if twice := sorted({seed for seed in args.seeds if args.seeds.count(seed) > 1}):
        parser.error(f'--seeds should be different numbers, got {twice[0]} more than once')
    if negative := [seed for seed in args.seeds if seed < 0]:
        parser.error(f'--seeds should be 0 or greater, got {negative[0]}')
    if args.seeds and any(option.startswith('randomness.seed=') for option in args.train_options):
        parser.error('--train-options: randomness.seed comes from --seeds')
    return args


def main() -> None:
    args = parse_args()

    # only now, so that --help and wrong arguments are quick
    from mmdet_ext.experiments.report import write_comparison
    from mmdet_ext.experiments.trainings import read_trainings, train_all

    trainings = read_trainings(args.configs, args.out, args.train_options, args.seeds)
    if not args.draw_only:
        train_all(trainings, TRAIN, args.train_options, args.jobs, args.metric)
    write_comparison(trainings, args.out, args.metric, partial=args.draw_only)


if __name__ == '__main__':
    run(main, interrupted='interrupted; the same command goes on from there')
