"""Make Shapes, a small data set of coloured shapes: `python tools/data/make_shapes.py --out data/shapes`."""
import argparse

from mmdet_ext.command_line import run
from mmdet_ext.shapes import ShapesConfig, make_shapes


def main(argv: list[str] | None = None) -> None:
    default = ShapesConfig()
    sizes = ' '.join(f'{width}x{height}' for width, height in default.sizes)
    parser = argparse.ArgumentParser(description='Make Shapes, a small data set of coloured shapes.')
    parser.add_argument('--out', default='data/shapes', help='folder of the set (default: %(default)s)')
    for split in ('train', 'val', 'test'):
        parser.add_argument(
            f'--{split}', type=int, default=getattr(default, split), help='number of images (default: %(default)s)')
    parser.add_argument(
        '--seed', type=int, default=default.seed, help='another seed gives other images (default: %(default)s)')
    parser.add_argument(
        '--size', type=parse_size, nargs='+', default=default.sizes, metavar='SIZE',
        help=f'SIDE or WIDTHxHEIGHT in pixels; of several, each image has one of them (default: {sizes})')
    parser.add_argument(
        '--empty', type=float, default=default.empty,
        help='fraction of images without any object (default: %(default)s)')
    parser.add_argument('--force', action='store_true', help='replace a Shapes set made with other parameters')
    args = parser.parse_args(argv)
    try:
        config = ShapesConfig(args.train, args.val, args.test, args.seed, tuple(args.size), args.empty)
    except ValueError as error:
        parser.error(str(error))
    report = make_shapes(args.out, config, force=args.force, progress=True)
    state = 'is there already' if report.kept else 'made'
    if report.added:
        state = f'was there already and got {len(report.added)} files of texts that it lacked'
    parts = ', '.join(f'{split} {count}/{report.objects[split]}' for split, count in report.images.items())
    print(f'{report.out}: Shapes {state}, {sum(report.images.values())} images with '
          f'{sum(report.objects.values())} objects ({parts})')


def parse_size(text: str) -> tuple[int, int]:
    """'160' -> (160, 160), '208x160' -> (208, 160)."""
    sides = text.split('x')
    if len(sides) > 2 or not all(side.isdecimal() for side in sides):
        raise argparse.ArgumentTypeError(f'should be SIDE or WIDTHxHEIGHT, such as 160 or 208x160. Got {text!r}.')
    return int(sides[0]), int(sides[-1])


if __name__ == '__main__':
    run(main, interrupted='interrupted, nothing was written')
