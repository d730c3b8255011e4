"""Images of where an SMCA-DETR looks.

    python tools/visualize_smca.py CONFIG CHECKPOINT IMAGE [IMAGE ...] --out DIR

Per image and query: NAME_queryI.png (box, centres, and the Gaussian and the attention of each head).
Per image, for models with several scales: NAME_alpha.png (the weights of the scales).
"""
import argparse
from pathlib import Path

from mmdet_ext.config_options import ConfigOptions

from mmdet_ext.command_line import run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', metavar='CONFIG', help='config of an SMCA-DETR')
    parser.add_argument('checkpoint', metavar='CHECKPOINT', help='its checkpoint')
    parser.add_argument('images', nargs='+', metavar='IMAGE', help='images to look at')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='folder to write to')
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument('--queries', type=_numbers, metavar='I,J,K', help='queries to look at')
    chosen.add_argument('--top', type=int, default=3, metavar='K', help='look at the K queries with the highest scores '
                        '(default: 3)')
    parser.add_argument('--layers', type=_numbers, metavar='I,J', help='decoder layers to show (default: the first and '
                        'the last one)')
    parser.add_argument('--scale', type=int, metavar='I', help='map whose Gaussians and attention to show, from 0 '
                        "(default: in each layer the one with the query's largest alpha)")
    parser.add_argument('--device', help='default: cuda if there is one, else cpu')
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, metavar='KEY=VALUE',
                        help="values that replace the config's")
    args = parser.parse_args()
    if args.top < 1:
        parser.error(f'--top should be at least 1, got {args.top}')
    return args


def main() -> None:
    args = parse_args()

    # only now, so that --help and wrong arguments are quick
    from mmcv.transforms import Compose
    from mmdet.utils import get_test_pipeline_cfg, register_all_modules

    from mmdet_ext import launch
    from mmdet_ext.predict.loading import choose_device, load_model
    from mmdet_ext.visualization.images import unique_names
    from mmdet_ext.visualization.smca.capture import SMCAProbe
    from mmdet_ext.visualization.smca.report import SMCAChoice, class_names, draw_smca_report

    register_all_modules(init_default_scope=True)
    choice = SMCAChoice(args.queries, args.top, args.layers, args.scale)
    cfg = launch.load_config(args.config, options=args.cfg_options)
    model = load_model(cfg, args.checkpoint, choose_device(args.device))
    try:
        probe = SMCAProbe(model, Compose(get_test_pipeline_cfg(cfg)))
    except ValueError as error:
        raise ValueError(f'{args.config}: {error}') from error
    choice.check(probe)

    skipped = []
    for path, name in zip(args.images, unique_names(args.images), strict=True):
        try:
            written = draw_smca_report(probe(path), class_names(model), args.out, name, choice)
        except (OSError, ValueError) as error:
            skipped.append(f'skipped {path}: {str(error).removeprefix(f"{path}: ")}')
            continue
        print(f'wrote {", ".join(map(str, written))}')
    if skipped:
        raise ValueError('\n'.join(skipped))


def _numbers(text: str) -> list[int]:
    try:
        return [int(number) for number in text.split(',')]
    except ValueError:
        raise argparse.ArgumentTypeError(f'should be numbers such as 3,17, got {text!r}') from None


if __name__ == '__main__':
    run(main, interrupted='interrupted, the figures that are named above are written')
