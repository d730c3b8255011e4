"""Try models in a page of the browser.

    python tools/app.py CONFIG CHECKPOINT [CONFIG CHECKPOINT ...]
    python tools/app.py MODEL.onnx

A tab for each model: an image in, boxes out, with a threshold; for MDETR a caption; for YOLO-RD the atoms of a box; for
SMCA the Gaussians of its query. Two models or more are also compared side by side. Without arguments it opens on the
runs below work_dirs, such as those of `make demo`. Nothing leaves this machine.
"""
import argparse
from pathlib import Path

from mmdet_ext.config_options import ConfigOptions

from mmdet_ext.command_line import run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('models', nargs='*', metavar='CONFIG CHECKPOINT', help='a config and its checkpoint, or a file '
                        'that tools/export.py wrote; any number of them (default: the runs below --runs)')
    parser.add_argument('--runs', type=Path, default=Path('work_dirs'), metavar='DIR',
                        help='folder of runs to open if no model is named (default: %(default)s)')
    parser.add_argument('--host', default='127.0.0.1', help='address to serve; 0.0.0.0 lets other machines of the '
                        'network in (default: %(default)s)')
    parser.add_argument('--port', type=int, metavar='N',
                        help='port to serve on (default: the first free one from 7860)')
    parser.add_argument('--no-browser', action='store_true', help='do not open a browser')
    parser.add_argument('--device', help='default: cuda if there is one, else cpu')
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, metavar='KEY=VALUE',
                        help="values that replace the configs'")
    return parser.parse_args()


def main() -> None:
    args = parse_args()

    # only now, so that --help and wrong arguments are quick
    from mmdet.utils import register_all_modules

    from mmdet_ext.app.models import Model
    from mmdet_ext.app.page import build_page, launch_page
    from mmdet_ext.app.sources import find_runs, parse_sources

    register_all_modules(init_default_scope=True)
    sources = parse_sources(args.models) if args.models else find_runs(args.runs)
    if not sources:
        raise FileNotFoundError(f'there is no trained model below {args.runs.resolve()}: make demo trains one in ten '
                                'minutes, or name a CONFIG and its CHECKPOINT')
    print('Loading', ', '.join(source.name for source in sources), flush=True)
    page = build_page([Model(source, args.device, args.cfg_options) for source in sources])
    launch_page(page, args.host, args.port, not args.no_browser)


if __name__ == '__main__':
    run(main, interrupted='the page is closed')
