"""Make MDETR's annotation files from Flickr30k Entities.

    python tools/data/build_flickr.py data/flickr30k_entities --out data/flickr30k/annotations

The folder is that of the data set with its annotations.zip unpacked: Annotations/ID.xml, Sentences/ID.txt and the lists
of ids train.txt, val.txt and test.txt. Writes final_flickr_separateGT_SPLIT.json, in which each box of an entity is
one, and final_flickr_mergedGT_SPLIT.json, in which one box encloses them. Files that are there already are kept, so
that the same command goes on after an interruption. The same folder gives the same bytes.
"""
from functools import partial

from mmdet_ext.annotations.builders.command import existing_folder, new_parser, stays, write_rows
from mmdet_ext.annotations.builders.flickr import flickr_pairs, read_image_ids
from mmdet_ext.command_line import run

SPLITS, GROUND_TRUTHS = ('train', 'val', 'test'), ('separate', 'merged')


def main() -> None:
    parser = new_parser(__doc__, folder=True)
    parser.add_argument('root', type=existing_folder, metavar='DIR', help='folder of Flickr30k Entities')
    parser.add_argument('--splits', nargs='+', choices=SPLITS, default=SPLITS, help='default: all')
    parser.add_argument('--ground-truth', nargs='+', choices=GROUND_TRUTHS, default=GROUND_TRUTHS, help='default: both')
    parser.add_argument('--unknown-entities', choices=('error', 'no-box'), default='error',
                        help='what an entity of a sentence is that the XML file does not know (default: %(default)s)')
    args = parser.parse_args()
    for name in ('Annotations', 'Sentences'):
        if not (args.root / name).is_dir():
            parser.error(f'there is no folder {args.root / name}: unpack the annotations.zip of Flickr30k Entities')

    for split in args.splits:
        for kind in args.ground_truth:
            out = args.out / f'final_flickr_{kind}GT_{split}.json'
            if not stays(out, args.overwrite):
                make_pairs = partial(flickr_pairs, args.root, merged=kind == 'merged',
                                     allow_unknown=args.unknown_entities == 'no-box')
                write_rows(out, read_image_ids(args.root / f'{split}.txt'), 'image', make_pairs)


if __name__ == '__main__':
    run(main, interrupted='interrupted, the files that were written stay')
