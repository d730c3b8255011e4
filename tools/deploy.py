"""Write what is needed at inference: the auxiliary branch dropped, batch norms and RepConv folded.

    python tools/deploy.py CONFIG CHECKPOINT OUT.pth
    python tools/deploy.py CONFIG CHECKPOINT OUT.pth --classes "cat, dog"

The second makes a plain YOLOv9 of a TextYOLOv9: the words are encoded once and folded into the head. OUT.pth holds the
weights and OUT.py, beside it, the config that loads them. Of a detector of mmdet that was trained with type='PGI' it is
the plain detector, and nothing is folded.
"""
import argparse
from pathlib import Path

from mmdet_ext.config_options import ConfigOptions

from mmdet_ext.command_line import run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', metavar='CONFIG', help='config of the trained model')
    parser.add_argument('checkpoint', metavar='CHECKPOINT', help='its checkpoint')
    parser.add_argument('out', metavar='OUT.pth', type=Path, help='file to write, ending in .pth')
    parser.add_argument('--classes', metavar='NAMES',
                        help='for a TextYOLOv9 what to look for, between commas (default: what it was trained on)')
    parser.add_argument('--size', type=int, metavar='N', default=640,
                        help='side of the image for FLOPs and check (default: 640)')
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, metavar='KEY=VALUE',
                        help="values that replace the config's")
    args = parser.parse_args()
    if args.out.suffix != '.pth':
        parser.error(f'OUT should end in .pth, got {args.out}')
    if args.size < 32 or args.size % 32:
        parser.error(f'--size should be a multiple of 32, got {args.size}')
    if args.classes is not None:
        args.classes = [name.strip() for name in args.classes.split(',')]
        if not all(args.classes):
            parser.error(f'--classes should be names between commas, one is empty in {args.classes}')
    return args


def main() -> None:
    args = parse_args()

    # only now, so that --help and wrong arguments are quick
    import torch
    from mmdet.utils import register_all_modules

    from mmdet_ext import launch
    from mmdet_ext.deployment import (count_flops, count_parameters, deploy, deployed_config, disagreement,
                                      load_for_deployment, with_classes)
    from mmdet_ext.files import replace_file
    from mmdet_ext.models.detectors import PGIDetector

    register_all_modules(init_default_scope=True)
    cfg = launch.load_config(args.config, options=args.cfg_options)
    model = load_for_deployment(cfg, args.checkpoint)
    cfg, plain = with_classes(cfg, model, args.classes)
    deployed = deploy(plain)
    counts_flops = isinstance(model, PGIDetector)
    print(f'{"":14}{"parameters":>14}' + (f'{f"GFLOPs at {args.size}":>20}' if counts_flops else ''))
    for name, form, training in (('in training', model, True), ('deployed', deployed, False)):
        gflops = f'{count_flops(form, args.size, training) / 1e9:>20.3f}' if counts_flops else ''
        print(f'{name:14}{count_parameters(form):>14,}{gflops}')
    difference, tolerance, unit = disagreement(model, deployed, args.size)
    print(f'largest difference of outputs: {difference:.2e} {unit} (allowed: {tolerance} {unit})')
    if not difference <= tolerance:  # NaN too
        raise ValueError('the deployed form does not agree with the trained one; nothing was written')
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(args.out) as file:
        torch.save(dict(state_dict=deployed.state_dict(), meta=dict(dataset_meta=plain.dataset_meta)), file)
    deployed_config(cfg).dump(args.out.with_suffix('.py'))
    print(f'wrote {args.out} and {args.out.with_suffix(".py")}')


if __name__ == '__main__':
    run(main)
