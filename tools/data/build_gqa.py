"""Make MDETR's annotation files from GQA.

    python tools/data/build_gqa.py data/gqa/questions --scene-graphs data/gqa/scene_graphs \\
        --image-data data/vg/image_data.json --subset balanced --splits train val --out data/gqa/annotations
    python tools/data/build_gqa.py data/gqa/questions --form pretrain --subset balanced --splits train ...
    python tools/data/build_gqa.py data/gqa/questions --form vocabulary --subset all --splits train val --out data/gqa

The first folder holds SPLIT_SUBSET_questions.json, or a folder of that name with several files (train_all_questions/),
the second SPLIT_sceneGraphs.json; questions of splits without scene graphs get no boxes. 'finetune' writes
finetune_gqa_SPLIT_SUBSET.json for question answering, 'pretrain' final_gqa_SPLIT.json without answers, and 'vocabulary'
gqa_answer2id.json and gqa_answer2id_by_type.json, the numbers of the answers.

Files of any size are read one question at a time. Annotation files that are there already are kept, and an interrupted
run goes on with the file of questions that it was at. The same files give the same bytes.
"""
import argparse
import sys
from pathlib import Path

SPLITS = ('train', 'val', 'testdev', 'test', 'challenge', 'submission')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('questions', type=Path, metavar='DIR', help='folder of questions')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='folder to write to')
    parser.add_argument('--form', choices=('finetune', 'pretrain', 'vocabulary'), default='finetune',
                        help='what to write (default: %(default)s)')
    parser.add_argument('--splits', nargs='+', choices=SPLITS, default=('train', 'val'), help='default: train val')
    parser.add_argument('--subset', choices=('all', 'balanced'), default='balanced', help='default: %(default)s')
    parser.add_argument('--scene-graphs', type=Path, metavar='DIR',
                        help='folder of scene graphs (default: that of questions)')
    parser.add_argument('--image-data', type=Path, metavar='FILE.json',
                        help="Visual Genome's image_data.json, for the sizes of pictures; others are looked for in the "
                        'scene graphs')
    parser.add_argument('--images', type=Path, metavar='DIR',
                        help='folder of pictures, for sizes that are found nowhere else')
    parser.add_argument('--min-count', type=int, default=1, metavar='N',
                        help='vocabulary: leave out answers that stand fewer than N times (default: %(default)s)')
    parser.add_argument('--overwrite', action='store_true', help='make files again that are there already')
    args = parser.parse_args()
    args.scene_graphs = args.scene_graphs or args.questions
    for folder in (args.questions, args.scene_graphs, args.images):
        if folder and not folder.is_dir():
            parser.error(f'there is no folder {folder}')
    if args.image_data and not args.image_data.is_file():
        parser.error(f'there is no file {args.image_data}')
    return args


def build_vocabulary(args: argparse.Namespace) -> None:
    from mmdet_ext.datasets.builders.gqa import question_files
    from mmdet_ext.datasets.builders.gqa_vocabulary import VOCABULARY_FILES, gqa_vocabulary, write_vocabulary
    from mmdet_ext.dictionary.progress import progress_bar

    there = [args.out / name for name in VOCABULARY_FILES if (args.out / name).exists()]
    if there and not args.overwrite:
        raise ValueError(f'{there[0]} is there already: give another --out, or --overwrite')
    files = [path for split in args.splits for path in question_files(args.questions, split, args.subset)]
    with progress_bar('vocabulary', sum(path.stat().st_size for path in files), 'byte') as bar:
        vocabulary = gqa_vocabulary(files, min_count=args.min_count, on_bytes=bar.update)
    paths = write_vocabulary(vocabulary, args.out)
    sizes = ', '.join(f'{kind} {len(table)}' for kind, table in vocabulary.by_type.items())
    print(f'wrote {paths[0]} and {paths[1]}: {len(vocabulary.total)} answers ({sizes})')


def build_split(args: argparse.Namespace, split: str, sizes: dict) -> None:
    from mmdet_ext.datasets.builders.gqa import Sources, build_gqa, question_files, read_scenes
    from mmdet_ext.dictionary.progress import progress_bar

    name = f'finetune_gqa_{split}_{args.subset}' if args.form == 'finetune' else f'final_gqa_{split}'
    out = args.out / f'{name}.json'
    if out.exists() and not args.overwrite:
        print(f'{out} is there already and stays (--overwrite makes it again)')
        return
    files = question_files(args.questions, split, args.subset)
    graphs, scenes = args.scene_graphs / f'{split}_sceneGraphs.json', {}
    if graphs.is_file():
        with progress_bar(graphs.stem, graphs.stat().st_size, 'byte') as bar:
            scenes = read_scenes(graphs, on_bytes=bar.update)
    else:
        print(f'{graphs} is not there: the questions of {split} get no boxes')
    inputs = [path for path in (graphs, args.image_data) if path and path.is_file()]
    with progress_bar(name, sum(path.stat().st_size for path in files), 'byte') as bar:
        counts = build_gqa(files, out, Sources(scenes, sizes, args.images), form=args.form, inputs=inputs,
                           on_bytes=bar.update)
    print(f'wrote {out}')
    for what, count in counts.items():
        print(f'{count:10d}  {what}')


def build(args: argparse.Namespace) -> None:
    from mmdet_ext.datasets.builders.picture_sizes import read_sizes

    args.out.mkdir(parents=True, exist_ok=True)
    if args.form == 'vocabulary':
        build_vocabulary(args)
        return
    sizes = read_sizes(args.image_data) if args.image_data else {}
    for split in args.splits:
        build_split(args, split, sizes)


def main() -> None:
    args = parse_args()
    try:
        build(args)
    except (OSError, ValueError) as error:
        sys.exit(f'build_gqa.py: error: {error}')
    except KeyboardInterrupt:
        sys.exit('build_gqa.py: interrupted; the same command goes on where this stopped')


if __name__ == '__main__':
    main()
