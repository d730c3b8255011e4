"""Say whose operators mmcv has here, what serves each of them, and on which devices.

    python -m mmdet_ext.operators [--times] [--json]
    python -m mmdet_ext.operators --run SCRIPT [ARGUMENT ...]

The second runs a program that imports mmcv's operators before mmdet_ext. With MMDET_EXT_OPERATORS=stand-in those of
mmdet_ext are taken where mmcv has compiled ones, too. The exit status is 1 if a package that they need does not work.
"""
import argparse
import json
import sys
import textwrap
import warnings
from dataclasses import asdict
from pathlib import Path

from ..compat import check_dependencies
from .run import run_script
from .stand_in import MISSING_REMEDY
from .table import MISSING, Row, headline, rows
from .times import Times, times

WIDTH = 120


def main() -> int:
    parser = argparse.ArgumentParser(prog='python -m mmdet_ext.operators', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--times', action='store_true', help='time each on the CPU, beside that of compiled mmcv')
    parser.add_argument('--json', action='store_true', help='print JSON, for scripts')
    parser.add_argument('--run', nargs=argparse.REMAINDER, metavar='SCRIPT', help='run this program with its arguments')
    args = parser.parse_args()
    if args.run == []:
        parser.error('--run needs a program')
    if args.run and not Path(args.run[0]).is_file():
        parser.error(f'there is no program {args.run[0]} (seen from {Path.cwd()})')
    try:
        check_dependencies()
    except ImportError as error:
        print(error, file=sys.stderr)
        return 1
    if args.run:
        run_script(args.run[0], args.run[1:])
        return 0
    warnings.simplefilter('ignore')  # of torch about mmcv
    table, measured = rows(), times() if args.times else []
    if args.json:
        print(json.dumps(dict(operators=headline(), rows=[asdict(row) for row in table],
                              times=[asdict(row) for row in measured]), indent=1))
    else:
        print('\n'.join([headline(), '', *_text_of(table), *(['', *_text_of_times(measured)] if measured else [])]))
    return 0


def _text_of(table: list[Row]) -> list[str]:
    shown = [row for row in table if row.used_by]
    others = ', '.join(row.operator for row in table if not row.used_by)
    lines = [f'{"operator":<22} {"served by":<14} {"devices":<10} called by']
    lines += [f'{row.operator:<22} {row.served_by:<14} {", ".join(row.devices) or "none":<10} {row.used_by}'
              for row in shown]
    if any(row.served_by == MISSING for row in table):
        others = (f'Missing, and called by no model of mmdet: {others}. A call raises NotImplementedError; '
                  f'{MISSING_REMEDY}.')
    else:
        others = f'Compiled, and called by no model of mmdet: {others}.'
    return [*lines, '', *textwrap.wrap(others, WIDTH, break_on_hyphens=False)]


def _text_of_times(measured: list[Times]) -> list[str]:
    lines = [f'{"operator":<22} {"stand-in":>11} {"compiled":>11} {"ratio":>6}  what, forward and backward, on the CPU']
    for row in measured:
        compiled = f'{row.compiled:8.2f} ms' if row.compiled else '-'
        ratio = f'{row.stand_in / row.compiled:.2f}' if row.compiled else '-'
        lines.append(f'{row.operator:<22} {row.stand_in:8.2f} ms {compiled:>11} {ratio:>6}  {row.what}')
    return lines


if __name__ == '__main__':
    sys.exit(main())
