"""Files of a Shapes set to train on without some pairs of colour and shape, and to look for these pairs afterwards.

    python tools/data/make_shapes.py --train 3000 --out data/shapes_text
    python tools/data/leave_out_pairs.py --data data/shapes_text --out data/shapes_pairs
"""
import argparse
from pathlib import Path

from mmdet_ext.command_line import run


def main(argv: list[str] | None = None) -> None:
    from mmdet_ext.shapes.pairs import LEFT_OUT, leave_out

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data', type=Path, default=Path('data/shapes_text'), metavar='DIR',
                        help='the set, of which the training split is used (default: %(default)s)')
    parser.add_argument('--out', type=Path, default=Path('data/shapes_pairs'), metavar='DIR',
                        help='folder of the new files (default: %(default)s)')
    parser.add_argument('--pairs', nargs='+', default=[' '.join(pair) for pair in LEFT_OUT], metavar='PAIR',
                        help='what is left out, in quotes (default: %(default)s)')
    parser.add_argument('--evaluated', type=int, default=400, metavar='N',
                        help='images with such pairs to evaluate on (default: %(default)s)')
    args = parser.parse_args(argv)
    pairs = [tuple(pair.split()) for pair in args.pairs]
    if wrong := [' '.join(pair) for pair in pairs if len(pair) != 2]:
        parser.error(f"--pairs should be a colour and a shape each, such as 'red circle', got {wrong[0]!r}")
    report = leave_out(args.data, args.out, pairs, evaluated=args.evaluated)
    print(f'{args.out.resolve()}: to train on {report.names} images with names and {report.captions} with captions, '
          f'without {", ".join(args.pairs)}; to evaluate on {report.evaluated} others with {report.left_out} such '
          'objects')


if __name__ == '__main__':
    run(main, interrupted='interrupted')
