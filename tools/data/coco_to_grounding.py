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


def convert(args: argparse.Namespace) -> None:
    import json
    import os

    from mmdet_ext.datasets.coco_captions import NOTHING, coco_to_grounding
    from mmdet_ext.dictionary.progress import progress_bar, warn

    coco = json.loads(args.ann.read_text())
    if not isinstance(coco, dict):
        raise ValueError(f'{args.ann} is no COCO annotation file')
    with progress_bar('captions', len(coco.get('images', ())), 'picture') as bar:
        content, bad = coco_to_grounding(coco, str(args.ann), args.dataset_name, on_image=bar.update)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    partial = args.out.with_name(f'.{args.out.name}.partial')
    try:
        partial.write_text(json.dumps(content, separators=(',', ':')) + '\n')
        os.replace(partial, args.out)
    finally:
        partial.unlink(missing_ok=True)
    if bad:
        warn([f'{len(bad)} annotations are left out. The first: {"; ".join(map(str, bad[:5]))}'])
    empty = sum(image['caption'] == NOTHING for image in content['images'])
    print(f'wrote {args.out}: {len(content["images"])} captions ({empty} of pictures without objects), '
          f'{len(content["annotations"])} boxes')


def main() -> None:
    args = parse_args()
    try:
        convert(args)
    except (OSError, ValueError) as error:
        source = f'{args.ann}: ' if type(error).__name__ == 'JSONDecodeError' else ''
        sys.exit(f'coco_to_grounding.py: error: {source}{error}')
    except KeyError as error:
        sys.exit(f'coco_to_grounding.py: error: {args.ann}: a row has no {error}')
    except KeyboardInterrupt:
        sys.exit('coco_to_grounding.py: interrupted, nothing was written')


if __name__ == '__main__':
    main()
