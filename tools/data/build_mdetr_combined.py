"""Combine captions of the same pictures into MDETR's mixed pre-training data.

    python tools/data/build_mdetr_combined.py final_refexp_train.json final_gqa_train.json final_vg_train.json \\
        --coco instances_train2014.json --vg-images image_data.json --exclude-coco instances_val2014.json \\
        refexp_all_unsafe_ids.pkl --exclude-vg phrase_cut_unsafe_ids.pkl gqa_unsafe_ids.pkl \\
        --out final_mixed_train.json

The inputs are annotation files in MDETR's format; their order decides which captions come together. Pictures are known
by file name: COCO_train2014_000000000501.jpg is COCO's, 71.jpg is Visual Genome's. Files are read row by row. An
interrupted run goes on with the same command: captions sorted by picture lie in .OUT.json.split, and what was combined
of them in .OUT.json.parts, until OUT.json is there. The same files and options give the same bytes.
"""
import argparse
import sys
from pathlib import Path


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('inputs', type=Path, nargs='+', metavar='ANN.json', help="annotation files in MDETR's format")
    parser.add_argument('--coco', type=Path, required=True, metavar='ANN.json',
                        help="COCO's annotation file of the training pictures, for their sizes")
    parser.add_argument('--vg-images', type=Path, metavar='image_data.json',
                        help="Visual Genome's pictures; those with a coco_id become COCO's (default: none does)")
    ids = 'ids of pictures to leave out: pickles or json lists, texts with one on a line, or COCO files'
    parser.add_argument('--exclude-coco', type=Path, nargs='+', default=[], metavar='FILE', help=f"COCO's {ids}")
    parser.add_argument('--exclude-vg', type=Path, nargs='+', default=[], metavar='FILE',
                        help=f"Visual Genome's, and so GQA's, {ids}")
    parser.add_argument('--exclude-twins', action='store_true',
                        help="leave out COCO's captions too of a picture that --exclude-vg names")
    parser.add_argument('--overlap', choices=['iou', 'giou'], default='iou',
                        help='captions whose boxes have more than 0.5 of it stay apart: the published code takes IoU, '
                        'the paper says GIoU (default: %(default)s)')
    parser.add_argument('--max-chars', type=int, default=250, metavar='N',
                        help='characters of captions to combine, at most (default: %(default)s)')
    parser.add_argument('--out', type=Path, required=True, metavar='OUT.json', help='file to write')
    parser.add_argument('--overwrite', action='store_true', help='replace OUT.json if it is there')
    args = parser.parse_args()
    if args.out.exists() and not args.overwrite:
        parser.error(f'{args.out} is there already: give another --out, or --overwrite')
    if args.max_chars < 1:
        parser.error(f'--max-chars should be at least 1, got {args.max_chars}')
    if len(set(args.inputs)) < len(args.inputs):
        parser.error(f'each ANN.json may be named once, got {" ".join(map(str, args.inputs))}')
    return args


def build(args: argparse.Namespace) -> None:
    import gc

    from mmdet_ext.datasets.builders.mixed import write_mixed
    from mmdet_ext.datasets.builders.mixed_pictures import MixedPictures
    from mmdet_ext.datasets.builders.mixed_split import MixedSplit
    from mmdet_ext.dictionary.progress import progress_bar

    gc.freeze()  # looking through all that was imported, again and again, takes as long as reading the files

    def pictures() -> MixedPictures:
        return MixedPictures(args.coco, args.vg_images, exclude_coco=args.exclude_coco, exclude_vg=args.exclude_vg,
                             exclude_twins=args.exclude_twins)

    metadata = [args.coco, *filter(None, [args.vg_images]), *args.exclude_coco, *args.exclude_vg]
    stats = [path.stat() for path in (*args.inputs, *metadata)]
    key = dict(inputs=list(map(str, args.inputs)), coco=str(args.coco), vg_images=str(args.vg_images),
               exclude_coco=list(map(str, args.exclude_coco)), exclude_vg=list(map(str, args.exclude_vg)),
               exclude_twins=args.exclude_twins, stamps=[[stat.st_size, stat.st_mtime_ns] for stat in stats])
    size = sum(stat.st_size for stat in stats[:len(args.inputs)])
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with progress_bar('sorted', 2 * size, 'bytes') as bar:
        split = MixedSplit(args.out.with_name(f'.{args.out.name}.split'), args.inputs, pictures, key=key,
                           on_bytes=bar.update)
    with progress_bar('combined', len(split.pictures), 'pictures') as bar:
        counts = write_mixed(split, args.out, max_chars=args.max_chars, generalized=args.overlap == 'giou',
                             on_pictures=bar.update)
    split.remove()
    for path, own in zip(args.inputs, split.counts, strict=True):
        print(f'{path}: {own["read"]} captions, {own["moved"]} of them moved to their pictures in COCO')
        for reason, count in own.items():
            if reason.startswith('left out'):
                print(f'    {count} {reason}')
    print(f'wrote {args.out}: {counts["captions"]} captions that combine {counts["kept captions"]}, {counts["boxes"]} '
          f'boxes, {counts["pictures"]} pictures')
    for what, text in (('too long', f'captions have more than {args.max_chars} characters and stay alone'),
                       ('boxes without words', 'boxes are left out: their spans have neither letter nor digit')):
        if counts[what]:
            print(f'    {counts[what]} {text}')


def main() -> None:
    args = parse_args()
    try:
        build(args)
    except (OSError, ValueError) as error:
        sys.exit(f'build_mdetr_combined.py: error: {error}')
    except KeyboardInterrupt:
        sys.exit('build_mdetr_combined.py: interrupted: the same command goes on from there')


if __name__ == '__main__':
    main()
