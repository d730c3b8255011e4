"""Make MDETR's annotation files from CLEVR or CLEVR-Ref+.

    python tools/data/build_clevr.py CLEVR_v1.0/questions/CLEVR_train_questions.json \\
        --scenes CLEVR_v1.0/scenes/CLEVR_train_scenes.json --boxes boxes_train.json --out train.json
    python tools/data/build_clevr.py clevr_ref+_train_refexps.json --scenes clevr_ref+_train_scenes.json \\
        --out ref_train.json

The objects that a question's program goes through get their boxes, tied to the words that name them. CLEVR has
no boxes: --boxes is a table with a list for each image, by file name or image_index, of one [x, y, w, h] for each
object in the order of the scene, or of relations with subject and object and their bbox [y1, y2, x1, x2]. CLEVR-Ref+'s
scenes have boxes of their own. --medium leaves out questions that name an object twice. Questions of test splits have
no programs: they need no --scenes and get no boxes. The same files give the same bytes.
"""
from functools import partial

from mmdet_ext.annotations.builders.clevr.questions import clevr_pairs, read_questions
from mmdet_ext.annotations.builders.clevr.scenes import clevr_scenes, read_boxes, read_scenes
from mmdet_ext.annotations.builders.command import existing_file, new_parser, parse_new_file, progress, write_rows
from mmdet_ext.command_line import run


def main() -> None:
    parser = new_parser(__doc__)
    parser.add_argument('questions', type=existing_file, metavar='FILE.json',
                        help='questions of CLEVR, or referring expressions of CLEVR-Ref+')
    parser.add_argument('--scenes', type=existing_file, metavar='FILE.json', help='their scenes')
    parser.add_argument('--boxes', type=existing_file, metavar='FILE.json', help='boxes of the objects of the scenes')
    parser.add_argument('--medium', action='store_true', help='leave out questions that name an object twice')
    parser.add_argument('--size', default='480x320', metavar='WIDTHxHEIGHT',
                        help='of the images (default: %(default)s)')
    args = parse_new_file(parser)
    if args.boxes and not args.scenes:
        parser.error('--boxes belong to the objects of --scenes, which is missing')
    sides = args.size.split('x')
    if len(sides) != 2 or not all(side.isdecimal() and int(side) for side in sides):
        parser.error(f'--size should be WIDTHxHEIGHT such as 480x320, got {args.size}')

    questions, scenes = read_questions(args.questions), {}
    if args.scenes:
        boxes = read_boxes(args.boxes) if args.boxes else None
        with progress(read_scenes(args.scenes), 'scenes', 'scene') as rows:
            scenes = clevr_scenes(rows, boxes)
    size = int(sides[0]), int(sides[1])
    make_pairs = partial(clevr_pairs, scenes=scenes, medium=args.medium, size=size)
    write_rows(args.out, questions, 'question', make_pairs)


if __name__ == '__main__':
    run(main, interrupted='interrupted, nothing was written')
