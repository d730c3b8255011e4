"""Make the control for phrase grounding: images and boxes of FILE.json with captions of other images.

    python tools/data/shuffle_captions.py data/shapes/annotations/grounding_test.json --out shuffled.json

A model that uses the text finds far fewer phrases there. Captions are exchanged for others with as many phrases.
"""
import argparse
from pathlib import Path

from mmdet_ext.annotations.annotation_file import check_grounding_fields
from mmdet_ext.annotations.annotation_json import load_json
from mmdet_ext.annotations.builders.grounding_file import write_json
from mmdet_ext.annotations.shuffled_captions import shuffle_captions
from mmdet_ext.command_line import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('file', metavar='FILE.json', type=Path,
                        help="grounding annotations whose images have 'tokens_positive_eval'")
    parser.add_argument('--out', type=Path, required=True, metavar='FILE.json', help='where to write')
    parser.add_argument('--seed', type=int, metavar='N', default=0, help='of the random order (default: %(default)s)')
    args = parser.parse_args()
    if args.seed < 0:
        parser.error(f'--seed should be at least 0, got {args.seed}')
    if args.out.resolve() == args.file.resolve():
        raise ValueError(f'--out {args.out} is the file to read')
    content = load_json(str(args.file))
    check_grounding_fields(content, str(args.file))
    try:
        shuffled = shuffle_captions(content, args.seed)
    except ValueError as error:
        raise ValueError(f'{args.file}: {error}') from error
    write_json(args.out, shuffled.content)
    print(f'wrote {args.out}: {len(shuffled.content["images"])} captions'
          f'{f", {shuffled.left_out} left out that fit no other image" if shuffled.left_out else ""}')


if __name__ == '__main__':
    run(main, interrupted='interrupted, nothing was written')
