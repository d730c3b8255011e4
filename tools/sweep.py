"""Train a config with several values of one of its keys, and compare their AP over epochs.

    python tools/sweep.py CONFIG KEY VALUE VALUE [...] [--out DIR] [options of tools/compare.py]

The configs are written to DIR/configs, and tools/compare.py trains and compares them. An interrupted sweep goes on
where it was when the same command is given again.
"""
import argparse
import runpy
import sys
from pathlib import Path

from mmdet_ext.command_line import run

COMPARE = Path(__file__).resolve().with_name('compare.py')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', metavar='CONFIG', help='the config that the others change')
    parser.add_argument('key', metavar='KEY', help='such as model.backbone.rd.num_atoms')
    parser.add_argument('values', nargs='+', metavar='VALUE', help='two or more; the first is compared with the others')
    parser.add_argument('--out', type=Path, metavar='DIR',
                        help='folder of everything (default: work_dirs/sweep/CONFIG_KEY)')
    args, args.compare = parser.parse_known_args()
    args.out = args.out or Path('work_dirs/sweep') / f'{Path(args.config).stem}_{args.key.rpartition(".")[2]}'
    return args


def main() -> None:
    args = parse_args()

    # only now, so that --help and wrong arguments are quick
    from mmdet_ext.experiments.sweep import write_variants

    configs = write_variants(args.config, args.key, args.values, args.out / 'configs')
    sys.argv = [sys.argv[0], *configs, '--out', str(args.out), *args.compare]
    runpy.run_path(str(COMPARE), run_name='__main__')


if __name__ == '__main__':
    run(main, interrupted='interrupted; the same command goes on from there')
