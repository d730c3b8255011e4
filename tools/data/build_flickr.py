"""Make MDETR's annotation files from Flickr30k Entities.

    python tools/data/build_flickr.py data/flickr30k_entities --out data/flickr30k/annotations

The folder is that of the data set with its annotations.zip unpacked: Annotations/ID.xml, Sentences/ID.txt and the lists
of ids train.txt, val.txt and test.txt. Writes final_flickr_separateGT_SPLIT.json, in which each box of an entity is
one, and final_flickr_mergedGT_SPLIT.json, in which one box encloses them. Files that are there already are kept, so
that interrupted work goes on. The same folder gives the same bytes.
"""
import argparse
import sys
from pathlib import Path

SPLITS = ('train', 'val', 'test')
GROUND_TRUTHS = dict(separate='separateGT', merged='mergedGT')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('root', type=Path, metavar='DIR', help='folder of Flickr30k Entities')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='folder to write to')
    parser.add_argument('--splits', nargs='+', choices=SPLITS, default=SPLITS, help='default: all')
    parser.add_argument('--ground-truth', nargs='+', choices=GROUND_TRUTHS, default=tuple(GROUND_TRUTHS),
                        help='default: both')
    parser.add_argument('--unknown-entities', choices=('error', 'no-box'), default='error',
                        help='what an entity of a sentence is that the XML file does not know (default: %(default)s)')
    parser.add_argument('--overwrite', action='store_true', help='make files again that are there already')
    args = parser.parse_args()
    for name in ('Annotations', 'Sentences'):
        if not (args.root / name).is_dir():
            parser.error(f'there is no folder {args.root / name}: unpack the annotations.zip of Flickr30k Entities')
    return args


def build(args: argparse.Namespace) -> None:
    from mmdet_ext.datasets.builders.flickr import build_flickr
    from mmdet_ext.dictionary.progress import progress_bar

    args.out.mkdir(parents=True, exist_ok=True)
    for split in args.splits:
        for kind in args.ground_truth:
            out = args.out / f'final_flickr_{GROUND_TRUTHS[kind]}_{split}.json'
            if out.exists() and not args.overwrite:
                print(f'{out} is there already and stays (--overwrite makes it again)')
                continue
            with progress_bar(out.stem, None, 'picture') as bar:
                counts = build_flickr(args.root, args.root / f'{split}.txt', out, merged=kind == 'merged',
                                      allow_unknown=args.unknown_entities == 'no-box', on_start=bar.reset,
                                      on_image=bar.update)
            print(f'wrote {out}')
            for name, count in counts.items():
                print(f'{count:10d}  {name}')


def main() -> None:
    args = parse_args()
    try:
        build(args)
    except (OSError, ValueError) as error:
        sys.exit(f'build_flickr.py: error: {error}')
    except KeyboardInterrupt:
        sys.exit('build_flickr.py: interrupted, the files that were written stay')


if __name__ == '__main__':
    main()
