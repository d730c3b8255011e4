"""Evaluate a detector.

    python tools/test.py CONFIG CHECKPOINT [--show-dir DIR] [--cfg-options KEY=VALUE ...]

CHECKPOINT may also be a file of tools/export.py.
"""
import argparse
import os

from mmdet_ext.config_options import ConfigOptions

from mmdet_ext.command_line import run, wrong_config


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', metavar='CONFIG', help='config file')
    parser.add_argument('checkpoint', metavar='CHECKPOINT',
                        help='checkpoint file, or a file that tools/export.py wrote')
    parser.add_argument('--work-dir', metavar='DIR',
                        help='folder of logs and metrics (default: work_dirs/NAME_OF_CONFIG)')
    parser.add_argument('--out', metavar='FILE.pkl', help='write the predictions to this file')
    parser.add_argument('--show', action='store_true', help='show images of truth and prediction side by side')
    parser.add_argument('--show-dir', metavar='DIR',
                        help='save those images: below WORK_DIR/TIME, or in DIR itself if it is an absolute path')
    parser.add_argument('--wait-time', type=float, default=2, metavar='SECONDS',
                        help='time between images that are shown (default: %(default)s)')
    parser.add_argument('--tta', action='store_true', help='test-time augmentation: the config\'s, or else a flip')
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, metavar='KEY=VALUE',
                        help='values that replace the config\'s, such as test_dataloader.batch_size=4 or key="[1,2]"')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none',
                        help='what has started the processes (default: none)')
    # given by torch.distributed.launch, which mim uses; torchrun sets the variable instead
    parser.add_argument('--local-rank', '--local_rank', type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.out and not args.out.endswith(('.pkl', '.pickle')):
        parser.error(f'--out writes a pickle, so its name must end in .pkl or .pickle, got {args.out}')
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def main() -> None:
    args = parse_args()

    # only now, so that --help is quick
    from mmdet.engine.hooks.utils import trigger_visualization_hook
    from mmdet.evaluation import DumpDetResults
    from mmdet.registry import RUNNERS
    from mmdet.utils import setup_cache_size_limit_of_dynamo
    from mmengine.runner import Runner

    import mmdet_ext.compat.apply  # noqa: F401  how files are read
    from mmdet_ext import launch
    from mmdet_ext.checkpoints.file_policy import follow_policy
    from mmdet_ext.checkpoints.load import check_file
    from mmdet_ext.exported import is_exported
    from mmdet_ext.exported.evaluation import evaluate_file

    cfg = launch.load_config(args.config, options=args.cfg_options, work_dir=args.work_dir, launcher=args.launcher)
    if is_exported(args.checkpoint):
        if options := [name for name in ('out', 'show', 'show_dir', 'tta') if getattr(args, name)]:
            raise ValueError(f'--{options[0].replace("_", "-")} is not for exported files, such as {args.checkpoint}')
        launch.use_checked_data_sets(cfg)
        evaluate_file(cfg, args.checkpoint)
        return
    check_file(args.checkpoint)
    cfg.load_from = args.checkpoint
    launch.use_checked_data_sets(cfg)
    launch.drop_hooks(cfg)
    launch.use_large_visualizer(cfg)
    if args.show or args.show_dir:
        cfg = trigger_visualization_hook(cfg, args)
    if args.tta:
        launch.use_tta(cfg)

    launch.init_cpu_processes(cfg)
    setup_cache_size_limit_of_dynamo()
    with wrong_config(args.config), launch.named_data_workers():
        runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
        launch.add_threads_hook(runner)
        follow_policy(runner.model)
        if args.out:
            runner.test_evaluator.metrics.append(DumpDetResults(out_file_path=args.out))
        runner.test()


if __name__ == '__main__':
    run(main)
