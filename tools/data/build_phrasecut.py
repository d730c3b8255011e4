"""Make MDETR's annotation files from PhraseCut.

    python tools/data/build_phrasecut.py data/phrasecut --out data/phrasecut/annotations

The folder holds refer_{train,val,miniv,test}.json and image_data_split.json as PhraseCut's downloader leaves them.
Writes finetune_phrasecut_SPLIT.json with a box and an outline for each instance of a phrase. Files that are there
already are kept. The same folder gives the same bytes.
"""
from functools import partial

from mmdet_ext.annotations.builders.command import existing_file, existing_folder, new_parser, stays, write_rows
from mmdet_ext.annotations.builders.image_lists import read_sizes
from mmdet_ext.annotations.builders.phrasecut import POLYGONS, phrasecut_pairs, read_tasks
from mmdet_ext.command_line import run

SPLITS = ('train', 'val', 'miniv', 'test')


def main() -> None:
    parser = new_parser(__doc__, folder=True)
    parser.add_argument('root', type=existing_folder, metavar='DIR', help='folder of PhraseCut')
    parser.add_argument('--splits', nargs='+', choices=SPLITS, default=SPLITS, help='default: all')
    parser.add_argument('--image-data', type=existing_file, metavar='FILE.json',
                        help="sizes of the images (default: image_data_split.json in DIR); Visual Genome's "
                        'image_data.json is as good')
    parser.add_argument('--polygons', choices=POLYGONS, default='last',
                        help='keep the last polygon of an instance, as in the published files, or all '
                        '(default: %(default)s)')
    args = parser.parse_args()
    sources = {split: args.root / f'refer_{split}.json' for split in args.splits}
    image_data = args.image_data or args.root / 'image_data_split.json'
    if missing := [path for path in (image_data, *sources.values()) if not path.is_file()]:
        parser.error(f'there is no file {missing[0]}')

    make_pairs = partial(phrasecut_pairs, sizes=read_sizes(image_data), polygons=args.polygons)
    for split, source in sources.items():
        out = args.out / f'finetune_phrasecut_{split}.json'
        if not stays(out, args.overwrite):
            write_rows(out, read_tasks(source), 'phrase', make_pairs)


if __name__ == '__main__':
    run(main, interrupted='interrupted, the files that were written stay')
