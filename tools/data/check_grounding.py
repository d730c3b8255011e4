"""Check an annotation file in MDETR's format before it is trained on.

    python tools/data/check_grounding.py grounding_train.json --images data/train --tokenizer FOLDER
    python tools/data/check_grounding.py final_mixed_train.json --images coco=data/train2014 vg=data/vg/images

Says what is wrong at which image and annotation. The exit status is 1 if anything is, and 2 if the file cannot be read.
"""
import argparse
from collections import Counter
from pathlib import Path

from mmdet_ext.command_line import run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('file', type=Path, metavar='FILE.json', help='annotation file')
    parser.add_argument('--images', nargs='+', metavar='DIR', default=(),
                        help='compare the sizes of the images in DIR, or of SOURCE=DIR for those of a data_source')
    parser.add_argument('--tokenizer', metavar='FOLDER',
                        help='check the tokens of captions and spans too, with the tokenizer in this folder')
    parser.add_argument('--show', type=int, metavar='N', default=10,
                        help='problems to show of each kind (default: %(default)s)')
    args = parser.parse_args()
    if args.show < 0:
        parser.error(f'--show should be at least 0, got {args.show}')
    args.folders = dict(text.split('=', 1) if '=' in text else ('img', text) for text in args.images)
    if len(args.folders) < len(args.images):
        parser.error(f'--images names a folder twice: {" ".join(args.images)}')
    if missing := [folder for folder in args.folders.values() if not Path(folder).is_dir()]:
        parser.error(f'--images: there is no folder {missing[0]}')
    return args


def main() -> int:
    args = parse_args()
    from tqdm import tqdm

    from mmdet_ext.annotations.annotation_file import check_grounding_fields
    from mmdet_ext.annotations.annotation_json import load_json
    from mmdet_ext.annotations.grounding_checks import grounding_problems
    from mmdet_ext.text.tokenization import load_tokenizer, tokenize

    if args.tokenizer and not Path(args.tokenizer).is_dir():
        raise ValueError(f'--tokenizer: there is no folder {args.tokenizer}')
    content = load_json(str(args.file))
    check_grounding_fields(content, str(args.file))
    tokenizer = args.tokenizer and load_tokenizer(args.tokenizer, '--tokenizer')
    offsets = tokenizer and (lambda caption: tokenize(tokenizer, [caption]).offsets[0])
    counts, shown = Counter(), []
    with tqdm(desc='checked', total=len(content['images']), unit=' captions') as bar:
        for problem in grounding_problems(content, folders=args.folders or None, offsets=offsets, on_image=bar.update):
            counts[problem.kind] += 1
            if counts[problem.kind] <= args.show:
                shown.append(f'{problem.kind}: {problem}')
    for line in shown:
        print(line)
    size = f'{len(content["images"])} captions, {len(content.get("annotations", ()))} boxes'
    print(f'{args.file}: {size}, {f"{counts.total()} problems" if counts else "nothing wrong"}')
    for kind, count in counts.most_common():
        print(f'{count:8d}  {kind}' + (f' ({args.show} shown)' if count > args.show else ''))
    return 1 if counts else 0


if __name__ == '__main__':
    run(main)
