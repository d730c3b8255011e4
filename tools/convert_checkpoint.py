"""Convert a published checkpoint. Nothing in the file is run, and the original code is not needed.

    python tools/convert_checkpoint.py yolov9 yolov9-c.pt yolov9c.pth [--drop-aux]
"""
import argparse
from shlex import quote

from mmdet_ext.command_line import run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('system', metavar='SYSTEM', help='whose checkpoint it is: yolov9, yolo_rd, smca or mdetr')
    parser.add_argument('src', metavar='SRC', help='published checkpoint')
    parser.add_argument('dst', metavar='DST', help='checkpoint to write, replaced if it is there')
    parser.add_argument('--drop-aux', action='store_true', help='leave out the auxiliary branch, for training only')
    parser.add_argument('--verbose', action='store_true', help='list every tensor with its shape, not modules')
    return parser.parse_args()


def main() -> None:
    args = parse_args()

    # only now, so that --help is quick
    from mmdet_ext.checkpoints import check_conversion, convert_with_report, read_checkpoint, write_checkpoint
    from mmdet_ext.checkpoints.report import full_table, grouped_table, totals

    published = read_checkpoint(args.src)
    try:
        conversion = convert_with_report(args.system, published.state_dict, drop_aux=args.drop_aux)
        check_conversion(conversion)
    except ValueError as error:
        raise ValueError(f'{args.src}: {error}') from error
    write_checkpoint(args.dst, conversion, published)

    recipe, rows = conversion.recipe, conversion.rows
    print(full_table(rows) if args.verbose else grouped_table(rows))
    weights = f'the weights under {published.source!r}' if published.source else 'the file is the weights themselves'
    print(f'\n{args.src}: {recipe.model}, {recipe.num_classes} classes; {weights}')
    print(f'{args.dst}: {totals(rows)}')
    options = ' '.join(quote(f'{key}={value}'.replace(' ', '')) for key, value in recipe.options.items())
    print(f'for {recipe.config}' + (f' with --cfg-options {options}' if options else ''))


if __name__ == '__main__':
    run(main)
