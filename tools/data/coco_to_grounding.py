"""Make captions for the pictures of a COCO annotation file, in MDETR's format.

    python tools/data/coco_to_grounding.py data/coco/annotations/instances_val2017.json --out grounding_val2017.json

A caption counts the objects ('a person, two dogs and a car'), and each box is tied to its words. Pictures without
objects have the caption 'nothing'. The same file gives the same bytes.
"""
import argparse
import sys
from pathlib import Path


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


def check_coco(coco: object, file: str) -> None:
    """Raise a ValueError if tables are missing, or rows lack a field or have one of a wrong kind."""
    from mmdet_ext.datasets.grounding_checks import check_rows

    if not isinstance(coco, dict):
        raise ValueError(f'{file} is no COCO annotation file')
    for table in ('images', 'categories'):
        if not coco.get(table):
            raise ValueError(f'{file}: {table!r} is missing or empty')
    some_id, number = int | str, int | float
    check_rows(coco, 'images', file, needed=dict(id=some_id, file_name=str, width=number, height=number))
    check_rows(coco, 'categories', file, needed=dict(id=some_id, name=str))
    if 'annotations' in coco:
        check_rows(coco, 'annotations', file, needed=dict(id=some_id, image_id=some_id, category_id=some_id),
                   optional=dict(iscrowd=int))


def convert(args: argparse.Namespace) -> None:
    import json

    from mmdet_ext.datasets.coco_captions import NOTHING, coco_to_grounding
    from mmdet_ext.progress import progress_bar, warn
    from mmdet_ext.files import replace_file

    coco = json.loads(args.ann.read_bytes())
    check_coco(coco, str(args.ann))
    with progress_bar('captions', len(coco['images']), 'picture') as bar:
        content, bad = coco_to_grounding(coco, str(args.ann), args.dataset_name, on_image=bar.update)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(args.out) as file:
        file.write(json.dumps(content, separators=(',', ':')).encode() + b'\n')
    if bad:
        warn([f'{len(bad)} annotations are left out. The first: {"; ".join(map(str, bad[:5]))}'])
    known = {image['id'] for image in coco['images']}
    if strays := [row for row in coco.get('annotations', ()) if row['image_id'] not in known]:
        warn([f'{len(strays)} annotations are of images that are not in the file, and left out. The first: annotation '
              f'{strays[0]["id"]} of image {strays[0]["image_id"]!r}'])
    empty = sum(image['caption'] == NOTHING for image in content['images'])
    print(f'wrote {args.out}: {len(content["images"])} captions ({empty} of pictures without objects), '
          f'{len(content["annotations"])} boxes')


def main() -> None:
    args = parse_args()
    try:
        convert(args)
    except (OSError, ValueError) as error:
        source = f'{args.ann}: ' if type(error).__name__ in ('JSONDecodeError', 'UnicodeDecodeError') else ''
        sys.exit(f'coco_to_grounding.py: error: {source}{error}')
    except KeyboardInterrupt:
        sys.exit('coco_to_grounding.py: interrupted, nothing was written')


if __name__ == '__main__':
    main()
