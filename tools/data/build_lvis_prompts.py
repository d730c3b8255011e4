"""Make prompts, one per image and class, from an annotation file of LVIS or COCO, in MDETR's format.

    python tools/data/build_lvis_prompts.py lvis_v1_train.json --fraction 0.1 --out finetune_lvis10_train.json
    python tools/data/build_lvis_prompts.py instances_train2017.json --negatives 3 --out prompts_train2017.json

An image is asked for each class that it shows, and for LVIS's neg_category_ids or for --negatives other classes. A
part of the images is chosen so that rare classes come first; leave --fraction out for validation. LVIS's file is read
whole, though without its masks: some GB of memory. The same file and options give the same bytes.
"""
import sys
from pathlib import Path

from mmdet_ext.annotations.builders.command import new_parser, parse_new_file, progress, write_file
from mmdet_ext.annotations.builders.lvis import make_prompts, prompt_pairs, read_coco
from mmdet_ext.command_line import run


def main() -> None:
    parser = new_parser(__doc__)
    parser.add_argument('ann', type=Path, metavar='ANN.json', help='annotation file of LVIS, or COCO-style')
    parser.add_argument('--fraction', type=float, default=1., help='part of the images to choose (default: all)')
    parser.add_argument('--seed', type=int, metavar='N', default=42, help='of what is chosen (default: %(default)s)')
    parser.add_argument('--negatives', type=int, metavar='N',
                        help='absent classes to ask each image for, where the file names none (default: none)')
    parser.add_argument('--dataset-name', default='lvis', help='written to each prompt (default: %(default)s)')
    args = parse_new_file(parser)
    if not 0 < args.fraction <= 1:
        parser.error(f'--fraction should be above 0 and at most 1, got {args.fraction}')
    if args.negatives is not None and args.negatives < 0:
        parser.error(f'--negatives should be 0 or more, got {args.negatives}')

    prompts = make_prompts(read_coco(args.ann), str(args.ann), fraction=args.fraction, seed=args.seed,
                           negatives=args.negatives)
    if prompts.bad:
        print(f'warning: {len(prompts.bad)} annotations are left out. The first: '
              f'{"; ".join(map(str, prompts.bad[:5]))}', file=sys.stderr)
    if shared := prompts.shared():
        names = ', '.join(map(repr, shared[:5]))
        print(f'warning: {len(shared)} prompts stand for several classes each: {names}', file=sys.stderr)
    with progress(prompts.images, 'images', 'image') as images:
        write_file(args.out, prompt_pairs(images, prompts.captions, args.dataset_name), prompts.counts)


if __name__ == '__main__':
    run(main, interrupted='interrupted, nothing was written')
