"""Feature maps over the depth of networks, side by side.

    python tools/visualize_features.py CONFIG[=NAME] [CHECKPOINT] [CONFIG[=NAME] [CHECKPOINT] ...] IMAGE [...] --out DIR

Per image: NAME_depth.png, a row for each network with its maps from shallow to deep. A config without a checkpoint gets
random weights, with which the maps show how much of the image a network passes on before it has learned anything.
CONFIG is a file, or one of an installed package: mmdet::retinanet/retinanet_r50_fpn_1x_coco.py.
"""
import argparse
from pathlib import Path

from mmdet_ext.config_options import ConfigOptions


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('arguments', nargs='+', metavar='ARGUMENT', help='configs, each with its name behind a = and '
                        'its checkpoint behind it if there are, then images')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='folder to write to')
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument('--layers', nargs='+', metavar='NAME', help='layers to look at, by their names in the model, '
                        "with * and ?: 'backbone' for its outputs, 'neck', 'backbone.layer?' (default: blocks of the "
                        'backbone at even distances)')
    chosen.add_argument('--columns', type=int, default=6, metavar='K', help='number of blocks at even distances '
                        '(default: 6)')
    parser.add_argument('--measure', choices=['mean', 'norm', 'pca'], default='mean', help='what maps are drawn by: '
                        'mean magnitude of the channels, length or first principal component (default: mean)')
    parser.add_argument('--size', type=int, default=640, metavar='PIXELS', help='longer side of the image in the '
                        'networks, a multiple of 32 (default: 640)')
    parser.add_argument('--seed', type=int, default=0, help='of the random weights (default: 0)')
    parser.add_argument('--device', help='default: cuda if there is one, else cpu')
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, metavar='KEY=VALUE',
                        help='values that replace those of each config')
    args = parser.parse_args()
    if args.columns < 2:
        parser.error(f'--columns should be at least 2, got {args.columns}')
    if args.size < 32 or args.size % 32:
        parser.error(f'--size should be a multiple of 32, got {args.size}')
    return args


def main(args: argparse.Namespace) -> None:
    from mmdet.utils import register_all_modules

    from mmdet_ext.command_line import message_of
    from mmdet_ext.predict.loading import choose_device
    from mmdet_ext.visualization.features.figure import draw_depth
    from mmdet_ext.visualization.features.networks import build_network, split_networks
    from mmdet_ext.visualization.images import unique_names

    register_all_modules(init_default_scope=True)
    networks, images = split_networks(args.arguments)
    if not images:
        raise ValueError(f'an image should follow behind {args.arguments[-1]}')
    device = choose_device(args.device)
    models = {network.name: build_network(network, device, options=args.cfg_options, seed=args.seed)
              for network in networks}
    skipped = []
    for path, name in zip(images, unique_names(images), strict=True):
        try:
            written = draw_depth(models, path, args.out / f'{name}_depth.png', measure=args.measure,
                                 patterns=args.layers or (), number=args.columns, size=args.size)
        except (OSError, ValueError) as error:
            skipped.append(f'skipped {path}: {message_of(error).removeprefix(f"{path}: ")}')
            continue
        print(f'wrote {written}')
    if skipped:
        raise ValueError('\n'.join(skipped))


if __name__ == '__main__':
    arguments = parse_args()
    from mmdet_ext.command_line import run  # only now, so that --help and wrong arguments are quick

    run(lambda: main(arguments))
