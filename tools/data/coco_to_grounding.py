"""Make captions for the images of a COCO annotation file, in MDETR's format.

    python tools/data/coco_to_grounding.py data/coco/annotations/instances_val2017.json --out grounding_val2017.json

A caption counts the objects ('a person, two dogs and a car'), and each box is tied to its words. Images without
objects have the caption 'nothing'. The same file gives the same bytes.
"""
import argparse
from pathlib import Path

from mmdet_ext.command_line import run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('ann', type=Path, metavar='ANN.json', help='COCO annotation file')
    parser.add_argument('--out', type=Path, required=True, metavar='OUT.json', help='file to write')
    parser.add_argument('--dataset-name', default='coco', help='written to each image (default: %(default)s)')
    parser.add_argument('--overwrite', action='store_true', help='replace OUT.json if it is there')
    args = parser.parse_args()
    if args.out.exists() and not args.overwrite:
        parser.error(f'{args.out} is there already: give another --out, or --overwrite')
    return args


def convert(args: argparse.Namespace) -> None:
    import json

    from mmdet_ext.datasets.annotation_file import read_coco
    from mmdet_ext.datasets.coco_captions import NOTHING, coco_to_grounding
    from mmdet_ext.dictionary.progress import progress_bar, warn
    from mmdet_ext.files import replace_file

    coco = read_coco(str(args.ann), check_boxes=False)
    with progress_bar('captions', len(coco['images']), 'image') as bar:
        content, bad = coco_to_grounding(coco, args.dataset_name, on_image=bar.update)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(args.out) as file:
        file.write(json.dumps(content, separators=(',', ':')).encode() + b'\n')
    if bad:
        warn([f'{len(bad)} annotations are left out. The first: {"; ".join(map(str, bad[:5]))}'])
    empty = sum(image['caption'] == NOTHING for image in content['images'])
    print(f'wrote {args.out}: {len(content["images"])} captions ({empty} of images without objects), '
          f'{len(content["annotations"])} boxes')


if __name__ == '__main__':
    run(lambda: convert(parse_args()), interrupted='interrupted, nothing was written')
