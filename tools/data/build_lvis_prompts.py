"""Make prompts, one per picture and class, from an annotation file of LVIS or COCO, in MDETR's format.

    python tools/data/build_lvis_prompts.py lvis_v1_train.json --fraction 0.1 --out finetune_lvis10_train.json
    python tools/data/build_lvis_prompts.py instances_train2017.json --negatives 3 --out prompts_train2017.json

A picture is asked for each class that it shows, and for LVIS's neg_category_ids or for --negatives other classes. A
part of the pictures is chosen so that rare classes come first; leave --fraction out for validation. LVIS's file is read
whole, though without its masks: some GB of memory. The same file and options give the same bytes.
"""
import argparse
import sys
from pathlib import Path


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('ann', type=Path, metavar='ANN.json', help='annotation file of LVIS, or COCO-style')
    parser.add_argument('--out', type=Path, required=True, metavar='OUT.json', help='file to write')
    parser.add_argument('--fraction', type=float, default=1., help='part of the pictures to choose (default: all)')
    parser.add_argument('--seed', type=int, default=42, help='of what is chosen (default: %(default)s)')
    parser.add_argument('--negatives', type=int, metavar='N',
                        help='absent classes to ask each picture for, where the file names none (default: none)')
    parser.add_argument('--dataset-name', default='lvis', help='written to each prompt (default: %(default)s)')
    parser.add_argument('--overwrite', action='store_true', help='replace OUT.json if it is there')
    args = parser.parse_args()
    if args.out.exists() and not args.overwrite:
        parser.error(f'{args.out} is there already: give another --out, or --overwrite')
    if not 0 < args.fraction <= 1:
        parser.error(f'--fraction should be above 0 and at most 1, got {args.fraction}')
    if args.negatives is not None and args.negatives < 0:
        parser.error(f'--negatives should be 0 or more, got {args.negatives}')
    return args


def build(args: argparse.Namespace) -> None:
    from mmdet_ext.datasets.builders.grounding_file import write_grounding
    from mmdet_ext.datasets.builders.lvis_prompts import build_prompts, read_annotations
    from mmdet_ext.dictionary.progress import progress_bar, warn

    content = read_annotations(args.ann)
    num_images = len(content.get('images', ()))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with progress_bar('pictures', int(num_images * args.fraction), 'picture') as bar, write_grounding(args.out) as out:
        report = build_prompts(content, str(args.ann), out, fraction=args.fraction, seed=args.seed,
                               negatives=args.negatives, dataset_name=args.dataset_name, on_image=bar.update)
    if report.bad:
        warn([f'{len(report.bad)} annotations are left out. The first: {"; ".join(map(str, report.bad[:5]))}'])
    if report.shared:
        names = ', '.join(map(repr, report.shared[:5]))
        warn([f'{len(report.shared)} prompts stand for several classes each: {names}'])
    print(f'wrote {args.out}: {report.num_positive + report.num_negative} prompts ({report.num_positive} with boxes, '
          f'{report.num_negative} without) in {report.num_images} of {num_images} pictures, {report.num_boxes} boxes; '
          f'left out: {report.num_crowds} crowds, {len(report.bad)} bad boxes')


def main() -> None:
    args = parse_args()
    try:
        build(args)
    except (OSError, ValueError) as error:
        sys.exit(f'build_lvis_prompts.py: error: {error}')
    except KeyError as error:
        sys.exit(f'build_lvis_prompts.py: error: {args.ann}: a row has no {error}')
    except KeyboardInterrupt:
        sys.exit('build_lvis_prompts.py: interrupted, nothing was written')


if __name__ == '__main__':
    main()
