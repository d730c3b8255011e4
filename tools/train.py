"""Train a detector.

    python tools/train.py CONFIG [--work-dir DIR] [--resume] [--cfg-options KEY=VALUE ...]
"""
import argparse
import os

from mmdet_ext.config_options import ConfigOptions

from mmdet_ext.command_line import run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', metavar='CONFIG', help='config file')
    parser.add_argument('--work-dir', metavar='DIR',
                        help='folder of logs and checkpoints (default: work_dirs/NAME_OF_CONFIG)')
    parser.add_argument('--amp', action='store_true', help='train in mixed precision')
    parser.add_argument('--auto-scale-lr', action='store_true',
                        help='scale the learning rate by the batch size over the one the config was written for')
    parser.add_argument('--resume', nargs='?', const='auto', metavar='CHECKPOINT',
                        help='go on from CHECKPOINT, or from the newest whole checkpoint in the work directory')
    parser.add_argument('--no-report', action='store_true',
                        help='end without a report of the run (default: WORK_DIR/report/report.html)')
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, metavar='KEY=VALUE',
                        help='values that replace the config\'s, such as train_dataloader.batch_size=4 or key="[1,2]"')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none',
                        help='what has started the processes (default: none)')
    # given by torch.distributed.launch, which mim uses; torchrun sets the variable instead
    parser.add_argument('--local-rank', '--local_rank', type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def main() -> None:
    args = parse_args()

    # only now, so that --help is quick
    from mmdet_ext.launch import train

    train(args.config, options=args.cfg_options, work_dir=args.work_dir, launcher=args.launcher, resume=args.resume,
          amp=args.amp, auto_scale_lr=args.auto_scale_lr, report=not args.no_report)


if __name__ == '__main__':
    run(main, interrupted='interrupted: --resume goes on from the last checkpoint')
