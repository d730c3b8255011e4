"""Make MDETR's annotation files from RefCOCO, RefCOCO+ and RefCOCOg.

    python tools/data/build_refexp.py data/refer --out data/refexp
    python tools/data/build_refexp.py data/refer --out data/refexp --pretrain

DIR has refcoco/ and refcoco+/ with refs(unc).p and instances.json, and refcocog/ with refs(umd).p and instances.json.
Writes finetune_DATASET_SPLIT.json for each split of each data set; with --pretrain final_refexp_train.json, of all data
sets and only of images that no validation or test split has, and final_refexp_val.json. Files that are there already
are kept, so that the same command goes on after an interruption. The same files and parser give the same bytes.

The words that name the object are found by spaCy. With --parser none a box is tied to its whole expression.
"""
from collections import Counter

from mmdet_ext.annotations.builders.command import (existing_file, existing_folder, new_parser, progress, stays,
                                                    write_file)
from mmdet_ext.annotations.builders.image_lists import read_ids
from mmdet_ext.annotations.builders.refexp import REFS, SPLITS, read_refer, refexp_pairs, safe_images
from mmdet_ext.command_line import run
from mmdet_ext.text.parsing import PARSERS, load_parser


def main() -> None:
    parser = new_parser(__doc__, folder=True)
    parser.add_argument('root', type=existing_folder, metavar='DIR', help='folder of the data sets')
    parser.add_argument('--datasets', nargs='+', choices=REFS, default=tuple(REFS), help='default: all')
    parser.add_argument('--pretrain', action='store_true', help='files of all data sets together, to pre-train on')
    parser.add_argument('--safe-ids', type=existing_file, metavar='FILE',
                        help='with --pretrain: ids of the COCO images to train on, as .json, .pkl or one a line '
                        '(default: those that no validation or test split of --datasets has)')
    parser.add_argument('--parser', choices=PARSERS, default='spacy',
                        help='what finds the words that name the object (default: %(default)s)')
    args = parser.parse_args()
    if args.safe_ids and not args.pretrain:
        parser.error('--safe-ids is for --pretrain: the files to fine-tune on have all images')
    for name in args.datasets:
        if not (args.root / name).is_dir():
            parser.error(f'there is no folder {args.root / name}: leave {name} out of --datasets, or correct DIR')

    parse = load_parser(args.parser)
    datasets = {name: read_refer(args.root, name) for name in args.datasets}
    if args.pretrain:
        together = [expression for expressions, _ in datasets.values() for expression in expressions]
        safe = read_ids(args.safe_ids) if args.safe_ids else safe_images(together)
        jobs = [('final_refexp_train', together, 'train', safe), ('final_refexp_val', together, 'val', None)]
    else:
        jobs = [(f'finetune_{name}_{split}', expressions, split, None)
                for name, (expressions, _) in datasets.items()
                for split in SPLITS if any(expression.split == split for expression in expressions)]
    for name, expressions, split, safe in jobs:
        out = args.out / f'{name}.json'
        if not stays(out, args.overwrite):
            counts = Counter()
            categories = datasets[expressions[0].dataset][1] if expressions else []
            pairs = refexp_pairs(expressions, parse, counts, split=split, safe=safe)
            with progress(pairs, name, 'expression', sum(row.split == split for row in expressions)) as pairs:
                write_file(out, pairs, counts, categories)


if __name__ == '__main__':
    run(main, interrupted='interrupted, the files that were written stay')
