"""One table of models in each of their forms: AP, milliseconds at batch 1 and at the best batch, size, parameters.

    python tools/benchmark-model.py CONFIG CHECKPOINT [FILE ...] [CONFIG CHECKPOINT [FILE ...] ...]
    python tools/benchmark-model.py CONFIG:CHECKPOINT CONFIG:CHECKPOINT ...

Forms are the detector in Python as trained ('eager') and deployed, each format of --formats, which is exported for it,
and each FILE, which was exported from it before. The table is printed and written to OUT/speed.md and OUT/speed.csv.
The same command goes on where an interrupted one stopped, and measures only what is new.
"""
import argparse
from pathlib import Path

from mmdet_ext.config_options import ConfigOptions

from mmdet_ext.command_line import run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('models', nargs='+', metavar='CONFIG CHECKPOINT [FILE ...]',
                        help='config, checkpoint and exported files of each model; or CONFIG:CHECKPOINT')
    parser.add_argument('--formats', nargs='*', default=['onnx', 'openvino', 'torchscript'], metavar='FORMAT',
                        help='onnx, openvino, torchscript or engine, also with -fp16 or -int8 behind it, such as '
                        'onnx-int8 (default: onnx openvino torchscript)')
    parser.add_argument('--batch-sizes', type=int, nargs='+', default=[1, 2, 4, 8], metavar='N',
                        help='tried in rising order until images take longer (default: 1 2 4 8)')
    parser.add_argument('--repeats', type=int, metavar='N', default=9,
                        help='timed calls of each batch size (default: 9)')
    parser.add_argument('--split', choices=('val', 'test'), default='val', help='data set for AP (default: val)')
    parser.add_argument('--limit', type=int, metavar='N', help='compute AP on the first N images only')
    parser.add_argument('--no-ap', action='store_true', help='measure time alone')
    parser.add_argument('--device', default='cpu', help='of the detectors in Python (default: cpu)')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/benchmark_model'), metavar='DIR',
                        help='for the table, the rows and the exported files (default: work_dirs/benchmark_model)')
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, default={}, metavar='KEY=VALUE',
                        help="values that replace the configs'")
    args = parser.parse_args()
    args.batch_sizes = sorted({1, *args.batch_sizes})
    if args.batch_sizes[0] < 1 or args.repeats < 1 or (args.limit is not None and args.limit < 1):
        parser.error('--batch-sizes, --repeats and --limit should be at least 1')
    try:
        args.models = split_models(args.models)
    except ValueError as error:
        parser.error(str(error))
    return args


def split_models(arguments: list[str]) -> list[tuple[str, str, tuple[str, ...]]]:
    """Config, checkpoint and files of each model."""
    groups: list[list[str]] = []
    for argument in arguments:
        if '.py:' in argument:
            config, _, checkpoint = argument.partition('.py:')
            groups.append([f'{config}.py', checkpoint])
        elif argument.endswith('.py'):
            groups.append([argument])
        elif groups:
            groups[-1].append(argument)
        else:
            raise ValueError(f'a config, which ends in .py, should come first, got {argument}')
    for config, *others in groups:
        if not others:
            raise ValueError(f'the checkpoint of {config} is missing')
    return [(config, checkpoint, tuple(files)) for config, checkpoint, *files in groups]


def main() -> None:
    args = parse_args()

    # only now, so that --help and wrong arguments are quick
    import torch
    from mmdet.utils import register_all_modules

    from mmdet_ext.experiments.model_speed import Model, Settings, measure_models
    from mmdet_ext.experiments.speed_table import to_markdown

    register_all_modules(init_default_scope=True)
    settings = Settings(tuple(args.formats), tuple(args.batch_sizes), args.repeats, not args.no_ap, args.limit,
                        args.split, args.device, dict(args.cfg_options or {}))
    rows = measure_models([Model(*model) for model in args.models], settings, args.out)
    print(f'{torch.get_num_threads()} threads, torch {torch.__version__}, median of {args.repeats}; milliseconds per '
          f'image, from normalised pixels to detections\n\n{to_markdown(rows)}')
    print(f'wrote {args.out / "speed.md"} and .csv')


if __name__ == '__main__':
    run(main, interrupted='interrupted; the rows that are done are kept, the same command goes on from there')
