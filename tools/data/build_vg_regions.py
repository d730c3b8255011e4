"""Make an annotation file in MDETR's format from the regions of Visual Genome.

    python tools/data/build_vg_regions.py data/vg/region_graphs.json data/vg/image_data.json --out data/vg/regions.json

Both files are Visual Genome's (1.2 for region_graphs.json). The words that name what a region is about are found by
spaCy; with --parser none they are not looked for: boxes of objects are tied to their own words, and a region without
such objects is tied to its whole text. What is done of interrupted work is in OUT.json.parts, and the same command goes
on from there. The same files and parser give the same bytes.
"""
import argparse
import sys
from pathlib import Path


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('graphs', type=Path, metavar='region_graphs.json', help='regions with their objects')
    parser.add_argument('image_data', type=Path, metavar='image_data.json', help='sizes of the pictures')
    parser.add_argument('--out', type=Path, required=True, metavar='OUT.json', help='file to write')
    parser.add_argument('--parser', choices=('spacy', 'none'), default='spacy',
                        help='what finds the words that name a region (default: %(default)s)')
    parser.add_argument('--part-size', type=int, default=500, metavar='N',
                        help='pictures after which work is safe (default: %(default)s)')
    parser.add_argument('--restart', action='store_true', help='forget what interrupted work has left')
    parser.add_argument('--overwrite', action='store_true', help='replace OUT.json if it is there')
    args = parser.parse_args()
    if args.part_size < 1:
        parser.error(f'--part-size should be at least 1, got {args.part_size}')
    if args.out.exists() and not args.overwrite:
        parser.error(f'{args.out} is there already: give another --out, or --overwrite')
    return args


def build(args: argparse.Namespace) -> None:
    import shutil

    from mmdet_ext.datasets.builders.parsing import load_parser
    from mmdet_ext.datasets.builders.vg_regions import build_vg_regions, parts_folder
    from mmdet_ext.dictionary.progress import progress_bar

    if args.restart:
        shutil.rmtree(parts_folder(args.out), ignore_errors=True)
    with progress_bar('regions', None, 'picture') as bar:
        counts = build_vg_regions(args.graphs, args.image_data, args.out, load_parser(args.parser),
                                  settings=dict(parser=args.parser), part_size=args.part_size, on_start=bar.reset,
                                  on_image=bar.update)
    print(f'wrote {args.out}')
    for what, count in counts.items():
        print(f'{count:10d}  {what}')


def main() -> None:
    args = parse_args()
    try:
        build(args)
    except (OSError, ValueError) as error:
        sys.exit(f'build_vg_regions.py: error: {error}')
    except KeyboardInterrupt:
        sys.exit('build_vg_regions.py: interrupted, the same command goes on from here')


if __name__ == '__main__':
    main()
