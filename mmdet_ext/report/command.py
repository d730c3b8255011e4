"""The command line of tools/report.py and ``python -m mmdet_ext.report``."""
import argparse
import sys
from pathlib import Path

from ..config_options import ConfigOptions

DESCRIPTION = """Write the report of a training: one HTML page that opens offline, and the PNG files of its figures.

    python tools/report.py RUN [--split test]
"""


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('run', type=Path, metavar='RUN', help='work directory of a training, by any tool of mmdet')
    parser.add_argument('--checkpoint', type=Path, metavar='FILE', help='evaluate this one (default: the best one in '
                        'RUN, or else the last one)')
    parser.add_argument('--out', type=Path, metavar='DIR', help='folder of the page and its figures (default: '
                        'RUN/report)')
    parser.add_argument('--split', choices=['val', 'test'], default='val', help='data set of the config to evaluate on '
                        '(default: val)')
    parser.add_argument('--predictions', type=Path, metavar='FILE.pkl', help='take the predictions that tools/test.py '
                        '--out wrote, instead of evaluating')
    parser.add_argument('--base', type=Path, metavar='CONFIG', help='the config file that was trained, to show what '
                        'differs from its bases (default: the one of the same name, if there is one)')
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, metavar='KEY=VALUE',
                        help="values that replace the config's, such as val_dataloader.batch_size=4")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Write a report; returns the exit status, 1 if a part of the page had to be left out."""
    args = parse_args(arguments)

    # only now, so that --help is quick
    from mmdet.utils import register_all_modules

    from .build import Report
    from .run_folder import read_run

    register_all_modules(init_default_scope=True)
    run = read_run(args.run, args.checkpoint, args.cfg_options, args.base)
    report = Report(run, args.out or args.run / 'report', args.split, args.predictions)
    page = report.write()
    print(f'wrote {page}')
    for problem in report.problems:
        print(f'left out: {problem}', file=sys.stderr)
    return 1 if report.problems else 0
