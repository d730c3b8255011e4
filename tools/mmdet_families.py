"""Try a config of every family of MMDetection with mmcv's operators, compiled, stand-in or both.

Each is built, trains for a step and predicts. With both, the results are compared.

    python tools/mmdet_families.py [--operators both] [--only dcn carafe ...] [--out table.md]

Models have random weights, images are small and of random pixels, and nothing is downloaded. Rows are kept in
--rows; a second run tries only what is not in it.
"""
import argparse
import sys
from pathlib import Path

from mmdet_ext.command_line import run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--operators', choices=('installed', 'stand-in', 'both'), default='installed',
                        help="installed: mmcv's compiled ones if it has them, else the stand-in ones")
    parser.add_argument('--only', nargs='+', default=[], metavar='NAME', help='only these families, or configs with '
                        'one of these words in their names, such as: --only dcn dcnv2 htc_r50')
    parser.add_argument('--rows', type=Path, default=Path('work_dirs/mmdet_families.jsonl'), metavar='FILE',
                        help='where the results are kept (default: %(default)s)')
    parser.add_argument('--again', action='store_true', help='try configs again that are in --rows')
    parser.add_argument('--out', type=Path, metavar='FILE', help='write the table into this file too')
    return parser.parse_args()


def main() -> None:
    args = parse_args()

    # only now, so that --help and wrong arguments are quick
    from tqdm import tqdm

    from mmdet_ext.experiments.families.configs import chosen
    from mmdet_ext.experiments.families.row import Row
    from mmdet_ext.experiments.families.run import operators_to_try, run_configs
    from mmdet_ext.experiments.families.table import to_markdown
    from mmdet_ext.files import replace_file

    configs, operators = chosen(args.only), operators_to_try(args.operators)
    args.rows.parent.mkdir(parents=True, exist_ok=True)
    with tqdm(total=len(configs) * len(operators), unit=' configs',
              mininterval=0.1 if sys.stderr.isatty() else 30) as bar:
        def report(row: Row) -> None:
            bar.update()
            bar.write(f'{row.config} ({row.operators}): {row.error or "works"}')

        rows = run_configs(configs, operators, args.rows, again=args.again, report=report)
    table = to_markdown(rows, configs)
    print(f'\n{table}')
    if args.out:
        with replace_file(args.out) as file:
            file.write(table.encode())
        print(f'wrote {args.out}')


if __name__ == '__main__':
    run(main, interrupted='interrupted; the rows that are done stay, the same command goes on')
