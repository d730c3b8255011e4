"""Detect objects in images and videos, and write them as drawn files, COCO json, CSV or YOLO txt.

    python tools/predict.py CONFIG CHECKPOINT SOURCE [SOURCE ...]
    python tools/predict.py MODEL.onnx SOURCE [SOURCE ...]        # or any other file of tools/export.py

A SOURCE is an image, a video, a folder of them, a pattern in quotes ('photos/*.jpg'), a list (.txt with a path in each
line, or .csv with columns image and caption), the number of a camera (0), or the address of a stream.

What cannot be read is named at the end, and the exit status is 1. After Ctrl-C all that was done is there, and
--resume goes on.
"""
import argparse
from pathlib import Path

from mmdet_ext.config_options import ConfigOptions
from mmdet_ext.model_arguments import split_arguments

from mmdet_ext.command_line import run

FORMS = ('drawn', 'coco', 'csv', 'yolo', 'yolo-scores', 'mot', 'none')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     usage='%(prog)s CONFIG CHECKPOINT SOURCE... [options], or MODEL SOURCE... ')
    parser.add_argument('arguments', nargs='+', metavar='CONFIG CHECKPOINT SOURCE',
                        help='config of a detector, its checkpoint, and what to look at; or an exported model, which '
                             'has no checkpoint')
    parser.add_argument('--out', type=Path, metavar='DIR',
                        help='folder to write to (default: work_dirs/predict, or -2, -3, ... behind it if it is there)')
    parser.add_argument('--save', nargs='+', choices=FORMS, metavar='FORM',
                        help='drawn: images and videos with boxes; coco: results.json and coco.json; csv; yolo: a txt '
                             'for each image, yolo-scores: with scores; mot: tracks; none (default: drawn, and mot '
                             'with --track)')
    parser.add_argument('--score-thr', type=float, metavar='T',
                        help='least score (default: 0.25, with captions 0.7; in coco without --track 0.001)')
    parser.add_argument('--classes', nargs='+', metavar='NAME', help='keep only these, by name or index (default: all)')
    parser.add_argument('--text', metavar='CAPTION', help='for MDETR: what to look for')
    parser.add_argument('--batch-size', type=int, default=1, metavar='N',
                        help='images, or slices, that go through the network together (default: 1)')
    parser.add_argument('--track', action='store_true', help='follow objects through videos and folders')
    parser.add_argument('--slice', type=int, nargs='?', const=640, metavar='SIZE', dest='slice_size',
                        help='look at slices of SIZE pixels too, for small objects in large images (default: 640)')
    parser.add_argument('--overlap', type=float, metavar='SHARE',
                        help='of neighbouring slices (default: 0.2)')
    parser.add_argument('--recursive', action='store_true', help='take folders below a folder too')
    parser.add_argument('--max-frames', type=int, metavar='N',
                        help='the most frames of a video or camera (default: all)')
    parser.add_argument('--ann-file', type=Path, metavar='JSON',
                        help='COCO file whose ids of images and categories coco.json and results.json have')
    parser.add_argument('--resume', action='store_true', help='go on with the run of --out, skip what it has done')
    parser.add_argument('--overwrite', action='store_true', help='write over the files of an earlier run in --out')
    parser.add_argument('--device', help='default: cuda if there is one, else cpu')
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, metavar='KEY=VALUE',
                        help="values that replace the config's")
    args = parser.parse_args()
    check(parser, args)
    return args


def check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """End with a message if an option is wrong; take the positional arguments apart."""
    try:
        args.model, args.checkpoint, args.sources = split_arguments(args.arguments)
    except ValueError as error:
        parser.error(str(error))
    if not args.sources:
        parser.error('SOURCE is missing: name images, videos, a folder or a camera, right behind the model (--classes, '
                     '--save and --cfg-options take all words that follow them)')
    if args.score_thr is not None and not 0 <= args.score_thr < 1:
        parser.error(f'--score-thr should be from 0 to below 1, got {args.score_thr}')
    if args.slice_size is not None and args.slice_size < 32:
        parser.error(f'--slice should be at least 32 pixels, got {args.slice_size}')
    if args.overlap is not None and args.slice_size is None:
        parser.error('--overlap is for --slice')
    args.overlap = 0.2 if args.overlap is None else args.overlap
    if not 0 <= args.overlap < 1:
        parser.error(f'--overlap should be from 0 to below 1, got {args.overlap}')
    for name in ('batch_size', 'max_frames'):
        value = getattr(args, name)
        if value is not None and value < 1:
            parser.error(f'--{name.replace("_", "-")} should be at least 1, got {value}')
    if args.resume and args.overwrite:
        parser.error('--resume keeps what is there, --overwrite does not: give one of them')
    args.save = args.save or (['drawn', 'mot'] if args.track else ['drawn'])
    if 'none' in args.save and len(args.save) > 1:
        parser.error(f'--save none goes with no other form, got {" ".join(args.save)}')
    if 'mot' in args.save and not args.track:
        parser.error('--save mot writes tracks: it needs --track')
    if args.ann_file is not None and 'coco' not in args.save:
        parser.error('--ann-file is for --save coco')


def main() -> int:
    args = parse_args()

    # only now, so that --help and wrong arguments are quick
    from mmdet_ext.predict.run import Request, run_request

    options = vars(args)
    del options['arguments']
    return run_request(Request(**options))


if __name__ == '__main__':
    run(main)
