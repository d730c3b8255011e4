"""Make the dictionaries of a trained YOLO-RD smaller: fewer atoms, taught to give what all of them gave.

    python tools/compress_dictionary.py CONFIG CHECKPOINT --keep 0.5

compressed.pth holds the weights and compressed.py, beside it, the config that loads them; report.md says what it cost.
The same command goes on with what was interrupted.
"""
import argparse
import shlex
import sys
from dataclasses import fields
from pathlib import Path

from mmdet_ext.config_options import ConfigOptions


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', metavar='CONFIG', help='config of the trained model')
    parser.add_argument('checkpoint', metavar='CHECKPOINT', help='its checkpoint')
    parser.add_argument('--keep', type=float, required=True,
                        help='atoms that stay in each dictionary: a fraction up to 1, or how many from 2')
    parser.add_argument('--out', type=Path, metavar='DIR', help='(default: compressed, beside the checkpoint)')
    parser.add_argument('--by', choices=['usage', 'random', 'clustering'], default='usage',
                        help='which stay: the most used, any, or the one nearest to each centre of k-means')
    parser.add_argument('--tau', type=float, default=0.1, help='temperature of the contrastive loss (default: 0.1)')
    parser.add_argument('--pixels', type=int, metavar='N', default=256,
                        help='pixels of each image in the loss, whose memory grows with their square (default: 256)')
    parser.add_argument('--match', type=float, default=10,
                        help='weight of the squared difference of what is retrieved, as a share of its variance, '
                        'besides the contrastive loss, which is blind to lengths; 0 for that one alone (default: 10)')
    parser.add_argument('--retrieved', action='store_true',
                        help='contrast what the dictionaries retrieve, not its mixture with the input')
    parser.add_argument('--iters', type=int, metavar='N', default=1000,
                        help='steps of distillation, 0 for none (default: 1000)')
    parser.add_argument('--lr', type=float, default=3e-3, help='learning rate at the start (default: 0.003)')
    parser.add_argument('--batch-size', type=int, metavar='N', default=8, help='images in a step (default: 8)')
    parser.add_argument('--usage-images', type=int, default=256, metavar='N',
                        help='training images to measure the usage of atoms on (default: 256)')
    parser.add_argument('--seed', type=int, metavar='N', default=0, help='of everything random (default: 0)')
    parser.add_argument('--no-eval', action='store_true', help='do not evaluate before, after pruning and at the end')
    parser.add_argument('--overwrite', action='store_true', help='replace a finished compression in DIR')
    parser.add_argument('--restart', action='store_true', help='forget an interrupted compression in DIR')
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, metavar='KEY=VALUE',
                        help="values that replace the config's")
    args = parser.parse_args()
    for name, least in dict(iters=0, batch_size=1, usage_images=1, pixels=2, match=0).items():
        if not getattr(args, name) >= least:  # NaN too
            parser.error(f'--{name.replace("_", "-")} should be at least {least}, got {getattr(args, name)}')
    for name in ('keep', 'tau', 'lr'):
        if not getattr(args, name) > 0:
            parser.error(f'--{name} should be positive, got {getattr(args, name)}')
    return args


def main(args: argparse.Namespace) -> None:
    from mmdet.utils import register_all_modules

    from mmdet_ext import launch
    from mmdet_ext.dictionary.compress import Compression
    from mmdet_ext.dictionary.distillation import CompressionOptions
    from mmdet_ext.visualization.dictionary.compression_report import describe, write_report

    register_all_modules(init_default_scope=True)
    folder = args.out or Path(args.checkpoint).parent / 'compressed'
    cfg = launch.load_config(args.config, options=args.cfg_options)
    finished = folder / 'report.json'
    if finished.is_file() and not args.overwrite:
        raise ValueError(f'{folder} holds a finished compression: --overwrite replaces it')
    launch.leave_cores_to_workers(cfg.get('train_dataloader') or {})
    options = CompressionOptions(**{field.name: getattr(args, field.name) for field in fields(CompressionOptions)})
    compression = Compression(cfg, args.checkpoint, folder, options, evaluate=not args.no_eval,
                              restart=args.restart)
    finished.unlink(missing_ok=True)
    report = compression.run(shlex.join(['python', *sys.argv]))
    write_report(folder, report)
    compression.work.remove()
    print(f'\n{describe(report)}\nwrote {folder / "compressed.pth"} and {folder / "compressed.py"}')


if __name__ == '__main__':
    arguments = parse_args()
    from mmdet_ext.command_line import run  # only now, so that --help and wrong arguments are quick

    run(lambda: main(arguments), interrupted='interrupted; the same command goes on from there')
