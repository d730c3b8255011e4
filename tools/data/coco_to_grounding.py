"""Make captions for the images of a COCO annotation file, in MDETR's format.

    python tools/data/coco_to_grounding.py data/coco/annotations/instances_val2017.json --out grounding_val2017.json

A caption counts the objects ('a person, two dogs and a car'), and each box is tied to its words. Images without
objects have the caption 'nothing'. The same file gives the same bytes.
"""
import sys
from pathlib import Path

from mmdet_ext.annotations.annotation_file import read_coco
from mmdet_ext.annotations.builders.command import new_parser, parse_new_file, progress
from mmdet_ext.annotations.builders.grounding_file import write_json
from mmdet_ext.annotations.coco_captions import NOTHING, coco_to_grounding
from mmdet_ext.command_line import run


def main() -> None:
    parser = new_parser(__doc__)
    parser.add_argument('ann', type=Path, metavar='ANN.json', help='COCO annotation file')
    parser.add_argument('--dataset-name', default='coco', help='written to each image (default: %(default)s)')
    args = parse_new_file(parser)
    coco = read_coco(str(args.ann), check_boxes=False)
    with progress(None, 'captions', 'image', total=len(coco['images'])) as bar:
        content, bad = coco_to_grounding(coco, args.dataset_name, on_image=bar.update)
    write_json(args.out, content)
    if bad:
        first = '; '.join(map(str, bad[:5]))
        print(f'warning: {len(bad)} annotations are left out. The first: {first}', file=sys.stderr)
    empty = sum(image['caption'] == NOTHING for image in content['images'])
    print(f'wrote {args.out}: {len(content["images"])} captions ({empty} of images without objects), '
          f'{len(content["annotations"])} boxes')


if __name__ == '__main__':
    run(main, interrupted='interrupted, nothing was written')
