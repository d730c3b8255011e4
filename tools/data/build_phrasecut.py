"""Make MDETR's annotation files from PhraseCut.

    python tools/data/build_phrasecut.py data/phrasecut --out data/phrasecut/annotations

The folder holds refer_{train,val,miniv,test}.json and image_data_split.json as PhraseCut's downloader leaves them.
Writes finetune_phrasecut_SPLIT.json with a box and an outline for each instance of a phrase. Files that are there
already are kept. The same folder gives the same bytes.
"""
import argparse
import sys
from pathlib import Path

SPLITS = ('train', 'val', 'miniv', 'test')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('root', type=Path, metavar='DIR', help='folder of PhraseCut')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='folder to write to')
    parser.add_argument('--splits', nargs='+', choices=SPLITS, default=SPLITS, help='default: all')
    parser.add_argument('--image-data', type=Path, metavar='FILE.json',
                        help="sizes of the pictures (default: image_data_split.json in DIR); Visual Genome's "
                        'image_data.json is as good')
    parser.add_argument('--polygons', choices=('last', 'all'), default='last',
                        help='keep the last polygon of an instance, as in the published files, or all '
                        '(default: %(default)s)')
    parser.add_argument('--overwrite', action='store_true', help='make files again that are there already')
    args = parser.parse_args()
    args.image_data = args.image_data or args.root / 'image_data_split.json'
    for path in (args.image_data, *(args.root / f'refer_{split}.json' for split in args.splits)):
        if not path.is_file():
            parser.error(f'there is no file {path}')
    return args


def build(args: argparse.Namespace) -> None:
    from mmdet_ext.datasets.builders.phrasecut import build_phrasecut
    from mmdet_ext.datasets.builders.picture_sizes import read_sizes
    from mmdet_ext.dictionary.progress import progress_bar

    args.out.mkdir(parents=True, exist_ok=True)
    sizes = read_sizes(args.image_data)
    for split in args.splits:
        out = args.out / f'finetune_phrasecut_{split}.json'
        if out.exists() and not args.overwrite:
            print(f'{out} is there already and stays (--overwrite makes it again)')
            continue
        source = args.root / f'refer_{split}.json'
        with progress_bar(out.stem, source.stat().st_size, 'byte') as bar:
            counts = build_phrasecut(source, out, sizes, polygons=args.polygons, on_bytes=bar.update)
        print(f'wrote {out}')
        for name, count in counts.items():
            print(f'{count:10d}  {name}')


def main() -> None:
    args = parse_args()
    try:
        build(args)
    except (OSError, ValueError) as error:
        sys.exit(f'build_phrasecut.py: error: {error}')
    except KeyboardInterrupt:
        sys.exit('build_phrasecut.py: interrupted, the files that were written stay')


if __name__ == '__main__':
    main()
