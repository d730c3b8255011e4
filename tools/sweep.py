"""Train a config with several values of one of its keys, and compare their AP over epochs.

    python tools/sweep.py CONFIG KEY VALUE VALUE [...] [--out DIR] [--train-options KEY=VALUE ...]

The configs are written to DIR/configs; the rest is as with tools/compare.py, which compares configs that exist. An
interrupted sweep goes on where it was when the same command is given again.
"""
import argparse
from pathlib import Path

from mmdet_ext.command_line import run

TRAIN = Path(__file__).resolve().with_name('train.py')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', metavar='CONFIG', help='the config that the others change')
    parser.add_argument('key', metavar='KEY', help='such as model.backbone.rd.num_atoms')
    parser.add_argument('values', nargs='+', metavar='VALUE', help='two or more; the first is compared with the others')
    parser.add_argument('--out', type=Path, default=None, metavar='DIR',
                        help='folder of everything (default: work_dirs/sweep/CONFIG_KEY)')
    parser.add_argument('--metric', default='coco/bbox_mAP', help='as the logs name it (default: coco/bbox_mAP)')
    parser.add_argument('--train-options', nargs='+', default=[], metavar='KEY=VALUE',
                        help='passed to train.py --cfg-options; for other options take another DIR')
    parser.add_argument('--jobs', type=int, default=1, metavar='N', help='train N at a time (default: 1)')
    args = parser.parse_args()
    if args.jobs < 1:
        parser.error(f'--jobs should be at least 1, got {args.jobs}')
    if wrong := [option for option in args.train_options if '=' not in option]:
        parser.error(f'--train-options should be KEY=VALUE, got {wrong[0]}')
    return args


def main() -> None:
    args = parse_args()

    # only now, so that --help and wrong arguments are quick
    from mmdet_ext.experiments.report import write_comparison
    from mmdet_ext.experiments.sweep import write_variants
    from mmdet_ext.experiments.trainings import read_trainings, train_all

    out = args.out or Path('work_dirs/sweep') / f'{Path(args.config).stem}_{args.key.rpartition(".")[2]}'
    trainings = read_trainings(write_variants(args.config, args.key, args.values, out / 'configs'), out,
                               args.train_options)
    train_all(trainings, TRAIN, args.train_options, args.jobs, args.metric)
    write_comparison(trainings, out, args.metric, partial=False)


if __name__ == '__main__':
    run(main, interrupted='interrupted; the same command goes on from there')
