"""Make MDETR's annotation files from RefCOCO, RefCOCO+ and RefCOCOg.

    python tools/data/build_refexp.py data/refer --out data/refexp
    python tools/data/build_refexp.py data/refer --out data/refexp --pretrain

DIR has refcoco/ and refcoco+/ with refs(unc).p and instances.json, and refcocog/ with refs(umd).p and instances.json.
Writes finetune_DATASET_SPLIT.json for each split of each data set; with --pretrain final_refexp_train.json, of all data
sets and only of pictures that no validation or test split has, and final_refexp_val.json. Files that are there already
are kept, so that interrupted work goes on. The same files and parser give the same bytes.

The words that name the object are found by spaCy. With --parser none a box is tied to its whole expression.
"""
import argparse
import sys
from pathlib import Path

DATASETS = ('refcoco', 'refcoco+', 'refcocog')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('root', type=Path, metavar='DIR', help='folder of the data sets')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='folder to write to')
    parser.add_argument('--datasets', nargs='+', choices=DATASETS, default=DATASETS, help='default: all')
    parser.add_argument('--pretrain', action='store_true', help='files of all data sets together, to pre-train on')
    parser.add_argument('--safe-ids', type=Path, metavar='FILE',
                        help='with --pretrain: ids of the COCO pictures to train on, as .json, .pkl or one a line '
                        '(default: those that no validation or test split of --datasets has)')
    parser.add_argument('--parser', choices=('spacy', 'none'), default='spacy',
                        help='what finds the words that name the object (default: %(default)s)')
    parser.add_argument('--overwrite', action='store_true', help='make files again that are there already')
    args = parser.parse_args()
    if args.safe_ids and not args.pretrain:
        parser.error('--safe-ids is for --pretrain: the files to fine-tune on have all pictures')
    for name in args.datasets:
        if not (args.root / name).is_dir():
            parser.error(f'there is no folder {args.root / name}: leave {name} out of --datasets, or correct DIR')
    return args


def build(args: argparse.Namespace) -> None:
    from mmdet_ext.datasets.builders.id_lists import read_ids
    from mmdet_ext.datasets.builders.parsing import load_parser
    from mmdet_ext.datasets.builders.refer_files import read_refer, safe_images
    from mmdet_ext.datasets.builders.refexp import build_refexp
    from mmdet_ext.dictionary.progress import progress_bar

    parser = load_parser(args.parser)
    datasets = [read_refer(args.root, name) for name in dict.fromkeys(args.datasets)]
    if args.pretrain:
        safe = read_ids(args.safe_ids) if args.safe_ids else safe_images(datasets)
        jobs = [('final_refexp_train', datasets, 'train', safe), ('final_refexp_val', datasets, 'val', None)]
    else:
        jobs = [(f'finetune_{files.name}_{split}', [files], split, None)
                for files in datasets for split in files.splits()]
    args.out.mkdir(parents=True, exist_ok=True)
    for name, files, split, safe in jobs:
        out = args.out / f'{name}.json'
        if out.exists() and not args.overwrite:
            print(f'{out} is there already and stays (--overwrite makes it again)')
            continue
        total = sum(len(own.of(split)) for own in files)
        with progress_bar(name, total, 'expression') as bar:
            counts = build_refexp(files, split, out, parser, safe=safe, on_expression=bar.update)
        print(f'wrote {out}')
        for what, count in counts.items():
            print(f'{count:10d}  {what}')


def main() -> None:
    args = parse_args()
    try:
        build(args)
    except (OSError, ValueError) as error:
        sys.exit(f'build_refexp.py: error: {error}')
    except KeyboardInterrupt:
        sys.exit('build_refexp.py: interrupted, the files that were written stay')


if __name__ == '__main__':
    main()
