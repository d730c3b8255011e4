"""Figures of what a Retriever-Dictionary has learned.

    python tools/visualize_dictionary.py CONFIG CHECKPOINT IMAGE [IMAGE ...] --out DIR

Per image: NAME_atoms.png (a position, its correlations and coefficients, and samples of its atoms: figure 4 of
YOLO-RD), NAME_maps.png (the coefficients of these atoms all over the image), NAME_features.png (features before and
after: figure 5). For the whole dictionary: usage.png and gram.png.
"""
import argparse
from pathlib import Path

from mmdet_ext.config_options import ConfigOptions

DEFAULT_SURVEY = 100  # training images


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', metavar='CONFIG', help='config of a detector with a Retriever-Dictionary')
    parser.add_argument('checkpoint', metavar='CHECKPOINT', help='its checkpoint')
    parser.add_argument('images', nargs='+', metavar='IMAGE', help='images to look at')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='folder to write to')
    parser.add_argument('--rd', metavar='NAME', help='name of the dictionary in the model (default: the first)')
    parser.add_argument('--at', type=_point, metavar='X,Y', help='position in pixels of the images (default: the '
                        'middle of the highest-scored prediction)')
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument('--show', type=_numbers, metavar='I,J,K', help='atoms to look at')
    chosen.add_argument('--top', type=int, default=3, metavar='K', help='look at the K atoms that have the most to do '
                        'with the position, and K that have nothing to do with it (default: 3)')
    parser.add_argument('--atoms', metavar='FILE.pt', help='atoms file with the samples of the atoms (default: the one '
                        'that the config names)')
    parser.add_argument('--provenance-images', type=int, metavar='N', help='take for samples of an '
                        'atom where its coefficient is the highest on N images of the training set (default: '
                        f'{DEFAULT_SURVEY} if there is no atoms file, else 0)')
    parser.add_argument('--usage-images', type=int, metavar='N', help='count the usage on N images of the training '
                        'set (default: on the images given)')
    parser.add_argument('--folded', action='store_true', help="correlate also with the atoms with D's batch norm "
                        'folded into them, and choose atoms by that')
    parser.add_argument('--measure', choices=['norm', 'mean', 'pca'], default='norm', help='what features are drawn '
                        'by: length, mean magnitude or first principal component (default: norm)')
    parser.add_argument('--device', help='default: cuda if there is one, else cpu')
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, metavar='KEY=VALUE',
                        help="values that replace the config's")
    args = parser.parse_args()
    for option in ('top', 'provenance_images', 'usage_images'):
        value, least = getattr(args, option), 0 if option == 'provenance_images' else 1
        if value is not None and value < least:
            parser.error(f'--{option.replace("_", "-")} should be at least {least}, got {value}')
    return args


def main(args: argparse.Namespace) -> None:
    from mmcv.transforms import Compose
    from mmdet.utils import get_test_pipeline_cfg, register_all_modules

    from mmdet_ext import launch
    from mmdet_ext.command_line import message_of
    from mmdet_ext.dictionary.compressed_files import load_trained
    from mmdet_ext.dictionary.usage import find_dictionaries
    from mmdet_ext.predict.loading import choose_device
    from mmdet_ext.visualization.dictionary.capture import Probe
    from mmdet_ext.visualization.dictionary.maps import draw_coefficient_maps, draw_features
    from mmdet_ext.visualization.dictionary.plots import draw_gram, draw_usage, usage_on
    from mmdet_ext.visualization.dictionary.query import draw_query, query_at
    from mmdet_ext.visualization.dictionary.training_set import atoms_of, look_at_training_set
    from mmdet_ext.visualization.images import unique_names

    register_all_modules(init_default_scope=True)
    cfg = launch.load_config(args.config, options=args.cfg_options)
    model = load_trained(cfg, args.checkpoint).to(choose_device(args.device))
    dictionaries = find_dictionaries(model)
    if args.rd is not None and args.rd not in dictionaries:
        raise ValueError(f'there is no RetrieverDictionary {args.rd!r} in the model, but: {", ".join(dictionaries)}')
    probe = Probe(model, args.rd or next(iter(dictionaries)), Compose(get_test_pipeline_cfg(cfg)))
    print(f'dictionaries of this model: {", ".join(dictionaries)}; this is {probe.name} with {probe.rd.num_atoms} '
          'atoms')
    if unknown := [str(index) for index in args.show or () if index not in range(probe.rd.num_atoms)]:
        raise ValueError(f'the dictionary has atoms 0..{probe.rd.num_atoms - 1}, got {", ".join(unknown)}')
    atoms = atoms_of(probe.rd, args.atoms)
    samples_from = args.provenance_images if args.provenance_images is not None else 0 if atoms else DEFAULT_SURVEY
    provenance, usages, skipped = look_at_training_set(cfg, probe, atoms, samples_from, args.usage_images or 0)
    print(provenance.note)

    for path, name in zip(args.images, unique_names(args.images), strict=True):
        try:
            capture = probe(path)
            query = query_at(capture, probe.rd, args.at or capture.best_centre(), provenance, show=args.show,
                             top=args.top, folded=args.folded)
            draw_query(capture, query, provenance.nearest, args.out / f'{name}_atoms.png')
            shown = [index for group in query.groups.values() for index in group]
            draw_coefficient_maps(capture, shown, args.out / f'{name}_maps.png', point=query.point)
            draw_features(capture, args.out / f'{name}_features.png', args.measure)
        except (OSError, ValueError) as error:
            skipped.append(f'{path}: {message_of(error).removeprefix(f"{path}: ")}')
            continue
        print(f'wrote {args.out / name}_atoms.png, _maps.png and _features.png')
        if args.usage_images is None:
            usages.append(usage_on(capture))
    draw_gram(probe.rd.atoms.detach().cpu().float(), args.out / 'gram.png')
    print(f'wrote {args.out / "gram.png"}')
    if usages:
        draw_usage(usages, args.out / 'usage.png')
        print(f'wrote {args.out / "usage.png"}')
    if skipped:
        raise ValueError('\n'.join(f'skipped {message}' for message in skipped))


def _point(text: str) -> tuple[float, float]:
    try:
        x, y = map(float, text.split(','))
    except ValueError:
        raise argparse.ArgumentTypeError(f'should be X,Y in pixels, got {text!r}') from None
    return x, y


def _numbers(text: str) -> list[int]:
    try:
        return [int(number) for number in text.split(',')]
    except ValueError:
        raise argparse.ArgumentTypeError(f'should be numbers of atoms such as 3,17, got {text!r}') from None


if __name__ == '__main__':
    arguments = parse_args()
    from mmdet_ext.command_line import run  # only now, so that --help and wrong arguments are quick

    run(lambda: main(arguments))
