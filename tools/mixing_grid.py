"""Try every part of this package in detectors of MMDetection and in our own, and print which work.

    python tools/mixing_grid.py [--only WORD ...] [--out grid.md]

Each cell is built from a config of MMDetection and the lines that docs/mixing.md gives for the part, with random
weights. It is trained for two steps with a finite loss and a gradient in every parameter of the part, predicts a batch
of two images of different size, and loads its own state into a second model, which must predict the same.
"""
import argparse
from functools import partial
from pathlib import Path

from mmdet_ext.command_line import run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--only', nargs='+', default=[], metavar='WORD', help='only parts and detectors with one of '
                        'these words in their names, such as: --only RD DETR')
    parser.add_argument('--out', type=Path, metavar='FILE', help='write the tables into this file too')
    return parser.parse_args()


def main() -> int:
    args = parse_args()

    # only now, so that --help and wrong arguments are quick
    from mmdet.utils import register_all_modules
    from mmdet_ext.experiments.mixing.grid import chosen, run_grid, to_markdown
    from mmdet_ext.files import replace_file

    cells = chosen(args.only)
    register_all_modules(init_default_scope=True)
    grid = run_grid(cells, partial(print, flush=True))
    table = to_markdown(grid)
    print(f'\n{table}')
    if args.out:
        with replace_file(args.out) as file:
            file.write(table.encode())
        print(f'wrote {args.out}')
    fails = sum(outcome.status == 'fails' for outcome in grid.values())
    print(f'{len(grid)} cells, {fails} fail')
    return 1 if fails else 0


if __name__ == '__main__':
    run(main)
