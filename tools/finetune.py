"""Train a detector on your own images.

    python tools/finetune.py yolov9-s FOLDER [--image-size 640] [--epochs 100]

The folder may hold COCO json, YOLO txt, Pascal VOC xml, LabelMe, CreateML, VIA or CSV, split or not. The command checks
it and prints a page, writes a config into work_dirs/DATA_MODEL, trains, and says where the results are.
"""
import argparse
from pathlib import Path

from mmdet_ext.config_options import ConfigOptions

from mmdet_ext.command_line import run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('model', metavar='MODEL', nargs='?', help='such as yolov9-s; --list shows all')
    parser.add_argument('data', metavar='DATA', nargs='?', type=Path,
                        help='folder of labelled images, or its .json, .yaml or .csv file')
    parser.add_argument('--list', action='store_true', help='print the names of all models and end')
    parser.add_argument('--check', action='store_true', help='check the data, print the page and end')
    parser.add_argument('--resume', action='store_true', help='go on with the run in the same folder')
    parser.add_argument('--image-size', type=int, metavar='PIXELS', help="side of the images (default: the config's)")
    parser.add_argument('--epochs', type=int, metavar='N', help='length of the training (default: 100)')
    parser.add_argument('--batch-size', type=int, metavar='N',
                        help='images in a batch (default: what machine and data allow)')
    parser.add_argument('--lr', type=float, help="learning rate (default: the recipe's)")
    parser.add_argument('--weights', metavar='FILE', help='checkpoint to begin with, published or of this package; '
                        '"none": random weights, nothing is downloaded')
    parser.add_argument('--workers', type=int, metavar='N', help='processes that load images (default: by the cores)')
    parser.add_argument('--work-dir', type=Path, metavar='DIR',
                        help='folder of the run (default: work_dirs/DATA_MODEL)')
    parser.add_argument('--format', dest='data_format', metavar='NAME',
                        help='format of the data (default: recognised): coco, yolo, voc, '
                        'labelme, createml, via, csv or captions')
    parser.add_argument('--val-fraction', type=float, metavar='SHARE',
                        help='share of the images to validate on, if the data have no such set (default: 0.2)')
    parser.add_argument('--seed', type=int, metavar='N', help='seed of that division (default: 0)')
    parser.add_argument('--amp', action='store_true', help='train in mixed precision, on a GPU')
    parser.add_argument('--no-report', action='store_true', help='end without the report')
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, metavar='KEY=VALUE',
                        help="values that replace the config's in this run")
    args = parser.parse_args()
    if not args.list and (args.model is None or args.data is None):
        parser.error('MODEL and DATA are needed, such as yolov9-s my_images; --list shows the models')
    return args


def main() -> None:
    args = parse_args()
    if args.list:
        from mmdet_ext.finetune.models import MODELS

        print('\n'.join(f'{model.name:<14}{model.config}' for model in MODELS.values()))
        return

    # only now, so that --help is quick
    import mmdet_ext.compat.apply  # noqa: F401  how configs are read
    from mmdet_ext.finetune import Settings, finetune

    names = ('image_size', 'epochs', 'batch_size', 'lr', 'weights', 'workers', 'work_dir', 'data_format',
             'val_fraction', 'seed', 'amp', 'cfg_options')
    settings = Settings(report=not args.no_report, **{name: getattr(args, name) for name in names})
    finetune(args.model, args.data, settings, check=args.check, resume=args.resume)


if __name__ == '__main__':
    run(main, interrupted='interrupted: the same command with --resume goes on')
