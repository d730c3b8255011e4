"""Build the dictionary of a YOLO-RD detector: atoms that are k-means centres of features.

    python tools/build_dictionary.py vision --config CONFIG --checkpoint CHECKPOINT --out atoms.pt
    python tools/build_dictionary.py clip --clip-model ViT-B-16 --clip-weights FILE --config CONFIG --out atoms.pt
    python tools/build_dictionary.py text --text-model FOLDER --texts captions.txt --channels 512 --out atoms.pt
    python tools/build_dictionary.py file --matrix features.npy --out atoms.pt
    torchrun --nproc_per_node 8 tools/build_dictionary.py vision ...

Several sources (vision text) share the samples equally. A build that was interrupted goes on with the same command.
"""
import argparse
import shlex
import sys
from dataclasses import fields
from pathlib import Path

from mmdet_ext.config_options import ConfigOptions

# For each source the options that it must have and those that it may have.
REQUIRED = dict(vision=('config', 'checkpoint'), clip=('clip_model', ), text=('text_model', 'texts'),
                file=('matrix', ))
OPTIONAL = dict(vision=('place', 'level', 'per_image', 'inside', 'ann', 'images', 'cfg_options'),
                clip=('config', 'clip_weights', 'clip_space', 'per_image', 'ann', 'images'), text=('pooling', ),
                file=('key', ))


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('sources', nargs='+', choices=list(REQUIRED), metavar='SOURCE',
                        help='vision (features of a trained detector), clip (patches through CLIP), text (lines '
                        'through a language model) or file (any matrix); several may be joined')
    parser.add_argument('--out', type=Path, required=True, metavar='FILE', help='atoms file to write')
    parser.add_argument('--atoms', type=int, metavar='N', default=512, help='number of atoms (default: 512)')
    parser.add_argument('--channels', type=int, metavar='N', help='their width (default: that of the sources)')
    parser.add_argument('--samples', type=int, metavar='N', default=65536,
                        help='features to cluster, drawn uniformly; their memory is taken at once (default: 65536)')
    parser.add_argument('--passes', type=int, metavar='N', default=100, help='of k-means at most (default: 100)')
    parser.add_argument('--tolerance', type=float, default=1e-4,
                        help='relative change of the inertia at which k-means stops (default: 1e-4)')
    parser.add_argument('--nearest', type=int, metavar='N', default=9, help='samples to remember per atom (default: 9)')
    parser.add_argument('--seed', type=int, metavar='N', default=0, help='of everything random (default: 0)')
    parser.add_argument('--device', help='of the models (default: cuda if there is one; a GPU per process)')
    parser.add_argument('--report', type=Path, metavar='DIR', help='folder of the report (default: OUT_report)')
    parser.add_argument('--overwrite', action='store_true', help='replace OUT if it is there')
    parser.add_argument('--restart', action='store_true', help='forget an interrupted build, kept in OUT.parts')
    images = parser.add_argument_group('vision and clip')
    images.add_argument('--config', help="the detector's config; for clip it names the images only")
    images.add_argument('--ann', help='annotation file instead of that of the training set')
    images.add_argument('--images', help='folder of the images instead of that of the training set')
    images.add_argument('--per-image', type=int, metavar='N', help='features per image (default: vision 64, clip 16)')
    vision = parser.add_argument_group('vision')
    vision.add_argument('--checkpoint', help="the detector's checkpoint")
    vision.add_argument('--place', help='dotted name of the module whose output is taken (default: backbone)')
    vision.add_argument('--level', type=int, metavar='N', help='which of its maps (default: 0)')
    vision.add_argument('--inside', type=float, help='share of them inside of annotated boxes (default: 0)')
    vision.add_argument('--cfg-options', nargs='+', action=ConfigOptions, metavar='KEY=VALUE',
                        help="values that replace the config's")
    clip = parser.add_argument_group('clip')
    clip.add_argument('--clip-model', help='name that open_clip knows, or local-dir:FOLDER or hf-hub:NAME')
    clip.add_argument('--clip-weights',
                      help="file of its weights, a tag of open_clip, or 'random'; none with local-dir: and hf-hub:")
    clip.add_argument('--clip-space', choices=['joint', 'width'],
                      help='the space shared with texts, or the width of the image model (default: joint)')
    text = parser.add_argument_group('text')
    text.add_argument('--text-model', help='name or folder of the language model')
    text.add_argument('--texts', nargs='+', metavar='FILE', help='files of texts')
    text.add_argument('--pooling', help='how the tokens of a text become one feature (default: mean)')
    file = parser.add_argument_group('file')
    file.add_argument('--matrix', nargs='+', metavar='FILE', help='npy, npz or pt files of features, one per row')
    file.add_argument('--key', help='name of the matrix in its file, if there are several')
    return parser


def parse_args() -> argparse.Namespace:
    parser = make_parser()
    args = parser.parse_args()
    chosen = args.sources
    if len(set(chosen)) < len(chosen):
        parser.error(f'each SOURCE may be named once, got {" ".join(chosen)}')
    flag = {name: f'--{name.replace("_", "-")}' for name in vars(args)}
    for source in chosen:
        missing = [flag[name] for name in REQUIRED[source] if getattr(args, name) is None]
        if missing:
            parser.error(f'{source} needs {" and ".join(missing)}')
    if 'clip' in chosen and args.clip_weights is None and ':' not in args.clip_model:
        parser.error(f'clip needs --clip-weights for {args.clip_model}: a file, a tag of open_clip, or random')
    wanted = {name for source in chosen for name in REQUIRED[source] + OPTIONAL[source]}
    for source in REQUIRED:
        surplus = [name for name in REQUIRED[source] + OPTIONAL[source]
                   if name not in wanted and getattr(args, name) is not None]
        if surplus:
            parser.error(f'{" and ".join(flag[name] for name in surplus)} belong to {source}, and the sources are '
                         f'{" ".join(chosen)}')
    for name, least in dict(atoms=2, channels=1, samples=2, passes=1, nearest=0, seed=0, tolerance=0).items():
        value = getattr(args, name)
        if value is not None and not value >= least:  # NaN too
            parser.error(f'{flag[name]} should be at least {least}, got {value}')
    if args.samples < args.atoms:
        parser.error(f'--samples {args.samples} are fewer than --atoms {args.atoms}')
    args.report = args.report or args.out.with_name(f'{args.out.stem}_report')
    return args


def check_outputs(args: argparse.Namespace) -> None:
    """Raise before any work if the results cannot be written."""
    from mmdet_ext.files import check_writable

    if args.out.is_dir():
        raise ValueError(f'--out should be a file, and {args.out} is a folder')
    if args.out.exists() and not args.overwrite:
        raise ValueError(f'{args.out} is there already: give another --out, or --overwrite')
    if args.report.exists() and not args.report.is_dir():
        raise ValueError(f'--report should be a folder, and {args.report} is a file')
    check_writable(args.out.parent)
    check_writable(args.report.parent)


def make_sources(args: argparse.Namespace, device: str) -> list:
    """The sources in the order of the command line; only options that were given are passed on."""
    from mmdet_ext.command_line import wrong_config
    from mmdet_ext.dictionary import sources

    def given(*names: str) -> dict:
        return {name: getattr(args, name) for name in names if getattr(args, name) is not None}

    made = []
    for source in args.sources:
        if source == 'vision':
            with wrong_config(args.config):
                made.append(sources.VisionSource(args.config, args.checkpoint, **given(*OPTIONAL['vision']),
                                                 seed=args.seed, device=device))
        elif source == 'clip':
            weights = None if args.clip_weights == 'random' else args.clip_weights
            made.append(sources.ClipSource(args.clip_model, weights, joint=args.clip_space != 'width',
                                           **given('config', 'ann', 'images', 'per_image'), seed=args.seed,
                                           device=device))
        elif source == 'text':
            made.append(sources.TextSource(args.text_model, args.texts, **given('pooling'), device=device))
        else:
            made += [sources.FileSource(path, **given('key')) for path in args.matrix]
    return made


def main(args: argparse.Namespace) -> None:
    from mmdet_ext.dictionary.build import BuildOptions, build_dictionary
    from mmdet_ext.dictionary.processes import join_processes, process_device
    from mmdet_ext.unfinished import Unfinished
    from mmdet_ext.visualization.dictionary import build_report

    check_outputs(args)
    options = BuildOptions(**{field.name: getattr(args, field.name) for field in fields(BuildOptions)})
    work = Unfinished(args.out)
    with join_processes() as processes:
        sources = make_sources(args, process_device(args.device))
        atoms = build_dictionary(sources, options, work, restart=args.restart, processes=processes)
    if atoms is None:
        return
    given = {name: str(value) if isinstance(value, Path) else value for name, value in vars(args).items()}
    atoms.arguments = dict(given, command=shlex.join(['python', *sys.argv]))
    atoms.save(args.out)
    work.remove()
    print(f'wrote {args.out}: {atoms.vectors.shape[0]} atoms of {atoms.vectors.shape[1]} channels')
    print(*build_report.summary_lines(atoms), sep='\n')
    print(f"in a config: rd=dict(stage=1, atoms='{args.out}', init_g='match')", flush=True)
    build_report.write_report(atoms, args.report)
    print(f'report: {args.report / "report.md"}')


if __name__ == '__main__':
    arguments = parse_args()
    from mmdet_ext.command_line import run

    run(lambda: main(arguments), interrupted=f'interrupted; the same command goes on from {arguments.out}.parts')
