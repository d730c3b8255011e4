"""Combine captions of the same images into MDETR's mixed pre-training data.

    python tools/data/build_mdetr_combined.py final_refexp_train.json final_gqa_train.json final_vg_train.json \\
        --coco instances_train2014.json --vg-images image_data.json --exclude-coco instances_val2014.json \\
        refexp_all_unsafe_ids.pkl --exclude-vg phrase_cut_unsafe_ids.pkl gqa_unsafe_ids.pkl \\
        --out final_mixed_train.json

The inputs are annotation files in MDETR's format; their order decides which captions come together. Images are known
by file name: COCO_train2014_000000000501.jpg is COCO's, 71.jpg is Visual Genome's. The same files and options give the
same bytes.
"""
from functools import partial
from pathlib import Path

from mmdet_ext.annotations.builders.combined.mixture import ImageTable, Mixture, mixed_pairs
from mmdet_ext.annotations.builders.command import (new_parser, parse_new_file, positive_number, print_counts, progress,
                                                    write_rows)
from mmdet_ext.command_line import run


def main() -> None:
    parser = new_parser(__doc__)
    parser.add_argument('inputs', type=Path, nargs='+', metavar='ANN.json', help="annotation files in MDETR's format")
    parser.add_argument('--coco', type=Path, required=True, metavar='ANN.json',
                        help="COCO's annotation file of the training images, for their sizes")
    parser.add_argument('--vg-images', type=Path, metavar='image_data.json',
                        help="Visual Genome's images; those with a coco_id become COCO's (default: none does)")
    ids = 'ids of images to leave out: pickles or json lists, texts with one on a line, or COCO files'
    parser.add_argument('--exclude-coco', type=Path, nargs='+', default=[], metavar='FILE', help=f"COCO's {ids}")
    parser.add_argument('--exclude-vg', type=Path, nargs='+', default=[], metavar='FILE',
                        help=f"Visual Genome's, and so GQA's, {ids}")
    parser.add_argument('--exclude-twins', action='store_true',
                        help="leave out COCO's captions too of an image that --exclude-vg names")
    parser.add_argument('--overlap', choices=['iou', 'giou'], default='iou',
                        help='captions whose boxes have more than 0.5 of it stay apart: the published code takes IoU, '
                        'the paper says GIoU (default: %(default)s)')
    parser.add_argument('--max-chars', type=positive_number, default=250, metavar='N',
                        help='characters of captions to combine, at most (default: %(default)s)')
    args = parse_new_file(parser)
    if len(set(args.inputs)) < len(args.inputs):
        parser.error(f'each ANN.json may be named once, got {" ".join(map(str, args.inputs))}')

    mixture = Mixture(ImageTable(args.coco, args.vg_images, exclude_coco=args.exclude_coco, exclude_vg=args.exclude_vg,
                                 exclude_twins=args.exclude_twins))
    with progress(args.inputs, 'sorted', 'file') as paths:
        counts_of = {path: mixture.add(path) for path in paths}
    for path, counts in counts_of.items():
        print_counts(f'read {path}', counts)
    make_pairs = partial(mixed_pairs, max_chars=args.max_chars, generalized=args.overlap == 'giou')
    write_rows(args.out, mixture, 'image', make_pairs, categories=())


if __name__ == '__main__':
    run(main, interrupted='interrupted, nothing was written')
