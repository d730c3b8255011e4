"""Make MDETR's annotation files from CLEVR or CLEVR-Ref+.

    python tools/data/build_clevr.py CLEVR_v1.0/questions/CLEVR_train_questions.json \\
        --scenes CLEVR_v1.0/scenes/CLEVR_train_scenes.json --boxes boxes_train.json --out train.json
    python tools/data/build_clevr.py clevr_ref+_train_refexps.json --scenes clevr_ref+_train_scenes.json \\
        --out ref_train.json

The objects that a question's program goes through get their boxes, tied to the words that name them. CLEVR has
no boxes: --boxes is a table with a list for each picture, by file name or image_index, of one [x, y, w, h] for each
object in the order of the scene, or of relations with subject and object and their bbox [y1, y2, x1, x2]. CLEVR-Ref+'s
scenes have boxes of their own. --medium leaves out questions that name an object twice. Questions of test splits have
no programs: they need no --scenes and get no boxes. The same files give the same bytes.
"""
import argparse
import sys
from pathlib import Path


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('questions', type=Path, metavar='FILE.json',
                        help='questions of CLEVR, or referring expressions of CLEVR-Ref+')
    parser.add_argument('--scenes', type=Path, metavar='FILE.json', help='their scenes')
    parser.add_argument('--boxes', type=Path, metavar='FILE.json', help='boxes of the objects of the scenes')
    parser.add_argument('--out', type=Path, required=True, metavar='OUT.json', help='file to write')
    parser.add_argument('--medium', action='store_true', help='leave out questions that name an object twice')
    parser.add_argument('--size', default='480x320', metavar='WIDTHxHEIGHT',
                        help='of the pictures (default: %(default)s)')
    parser.add_argument('--overwrite', action='store_true', help='replace OUT.json if it is there')
    args = parser.parse_args()
    for path in (args.questions, args.scenes, args.boxes):
        if path and not path.is_file():
            parser.error(f'there is no file {path}')
    if args.boxes and not args.scenes:
        parser.error('--boxes belong to the objects of --scenes, which is missing')
    sides = args.size.split('x')
    if len(sides) != 2 or not all(side.isdecimal() and int(side) for side in sides):
        parser.error(f'--size should be WIDTHxHEIGHT such as 480x320, got {args.size}')
    args.size = int(sides[0]), int(sides[1])
    if args.out.exists() and not args.overwrite:
        parser.error(f'{args.out} is there already: give another --out, or --overwrite')
    return args


def build(args: argparse.Namespace) -> None:
    from mmdet_ext.datasets.builders.clevr import build_clevr, kind_of
    from mmdet_ext.datasets.builders.clevr_scenes import read_boxes, read_scenes
    from mmdet_ext.dictionary.progress import progress_bar

    kind = kind_of(args.questions)
    boxes, scenes = None, {}
    if args.boxes:
        with progress_bar('boxes', args.boxes.stat().st_size, 'byte') as bar:
            boxes = read_boxes(args.boxes, on_bytes=bar.update)
    if args.scenes:
        with progress_bar('scenes', args.scenes.stat().st_size, 'byte') as bar:
            scenes = read_scenes(args.scenes, boxes, on_bytes=bar.update)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with progress_bar(kind, args.questions.stat().st_size, 'byte') as bar:
        counts = build_clevr(args.questions, args.out, scenes, kind=kind, medium=args.medium, size=args.size,
                             on_bytes=bar.update)
    print(f'wrote {args.out}')
    for name, count in counts.items():
        print(f'{count:10d}  {name}')


def main() -> None:
    args = parse_args()
    try:
        build(args)
    except (OSError, ValueError) as error:
        sys.exit(f'build_clevr.py: error: {error}')
    except KeyboardInterrupt:
        sys.exit('build_clevr.py: interrupted, nothing was written')


if __name__ == '__main__':
    main()
