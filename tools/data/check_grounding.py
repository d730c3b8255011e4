"""Check an annotation file in MDETR's format before it is trained on.

    python tools/data/check_grounding.py grounding_train.json --images data/train --tokenizer FOLDER
    python tools/data/check_grounding.py final_mixed_train.json --images coco=data/train2014 vg=data/vg/images

Says what is wrong at which image and annotation. The exit status is 1 if anything is, and 2 if the file cannot be read.
"""
import argparse
from pathlib import Path

from mmdet_ext.command_line import run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('file', type=Path, metavar='FILE.json', help='annotation file')
    parser.add_argument('--images', nargs='+', metavar='DIR',
                        help='compare the sizes of the images in DIR, or of SOURCE=DIR for those of a data_source')
    parser.add_argument('--tokenizer', metavar='FOLDER',
                        help='check the tokens of captions and spans too, with the tokenizer in this folder')
    parser.add_argument('--show', type=int, default=10, help='problems to show of each kind (default: %(default)s)')
    args = parser.parse_args()
    if args.show < 0:
        parser.error(f'--show should be at least 0, got {args.show}')
    args.folders = None
    if args.images:
        pairs = [text.split('=', 1) if '=' in text else ('img', text) for text in args.images]
        args.folders = dict(pairs)
        if len(args.folders) < len(pairs):
            parser.error(f'--images names a folder twice: {" ".join(args.images)}')
        if missing := [folder for folder in args.folders.values() if not Path(folder).is_dir()]:
            parser.error(f'--images: there is no folder {missing[0]}')
    return args


def load_offsets(folder: str):
    """A function from a caption to the characters [start, end) of its tokens."""
    from mmdet_ext.text.tokenization import load_tokenizer

    if not Path(folder).is_dir():
        raise ValueError(f'--tokenizer: there is no folder {folder}')
    tokenizer = load_tokenizer(folder, '--tokenizer')
    return lambda caption: tokenizer(caption, return_offsets_mapping=True, verbose=False)['offset_mapping']


def check(args: argparse.Namespace) -> int:
    """Print the problems; return how many there are."""
    from collections import Counter

    from mmdet_ext.datasets.annotation_file import check_grounding_fields
    from mmdet_ext.datasets.annotation_json import load_json
    from mmdet_ext.datasets.grounding_checks import grounding_problems
    from mmdet_ext.dictionary.progress import progress_bar

    content = load_json(str(args.file))
    check_grounding_fields(content, str(args.file))
    offsets = args.tokenizer and load_offsets(args.tokenizer)
    counts, shown = Counter(), []
    with progress_bar('checked', len(content['images']), 'caption') as bar:
        for problem in grounding_problems(content, folders=args.folders, offsets=offsets, on_image=bar.update):
            counts[problem.kind] += 1
            if counts[problem.kind] <= args.show:
                shown.append(f'{problem.kind}: {problem}')
    for line in shown:
        print(line)
    size = f'{len(content["images"])} captions, {len(content.get("annotations", ()))} boxes'
    if not counts:
        print(f'{args.file}: {size}, nothing wrong')
        return 0
    print(f'{args.file}: {size}, {counts.total()} problems')
    for kind, count in counts.most_common():
        print(f'{count:8d}  {kind}' + (f' ({args.show} shown)' if count > args.show else ''))
    return counts.total()


def main() -> int:
    return 1 if check(parse_args()) else 0


if __name__ == '__main__':
    run(main)
