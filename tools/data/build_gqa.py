"""Make MDETR's annotation files from GQA.

    python tools/data/build_gqa.py data/gqa/questions --scene-graphs data/gqa/scene_graphs \\
        --image-data data/vg/image_data.json --subset balanced --splits train val --out data/gqa/annotations
    python tools/data/build_gqa.py data/gqa/questions --form pretrain --subset balanced --splits train ...
    python tools/data/build_gqa.py data/gqa/questions --form vocabulary --subset all --splits train val --out data/gqa

The first folder holds SPLIT_SUBSET_questions.json, or a folder of that name with several files (train_all_questions/),
the second SPLIT_sceneGraphs.json; questions of splits without scene graphs get no boxes. 'finetune' writes
finetune_gqa_SPLIT_SUBSET.json for question answering, 'pretrain' final_gqa_SPLIT.json without answers, and 'vocabulary'
gqa_answer2id.json and gqa_answer2id_by_type.json, the numbers of the answers.

Files of any size are read one question at a time. Annotation files that are there already are kept. The same files give
the same bytes.
"""
import argparse
from functools import partial
from itertools import chain

from mmdet_ext.annotations.builders.command import (existing_file, existing_folder, new_parser, positive_number,
                                                    progress, stays, write_rows)
from mmdet_ext.annotations.builders.gqa import (FORMS, VOCABULARY_FILES, Scenes, gqa_pairs, question_files,
                                                read_questions, read_scenes, write_vocabulary)
from mmdet_ext.annotations.builders.image_lists import read_sizes
from mmdet_ext.command_line import run

SPLITS = ('train', 'val', 'testdev', 'test', 'challenge', 'submission')


def build_vocabulary(args: argparse.Namespace) -> None:
    paths = [args.out / name for name in VOCABULARY_FILES]
    if not args.overwrite and (existing := [path for path in paths if path.exists()]):
        raise ValueError(f'{existing[0]} is there already: give another --out, or --overwrite')
    files = [read_questions(path) for split in args.splits
             for path in question_files(args.questions, split, args.subset)]
    with progress(chain.from_iterable(files), 'vocabulary', 'question', sum(map(len, files))) as questions:
        total, by_type = write_vocabulary(questions, args.out, args.min_count)
    sizes = ', '.join(f'{kind} {len(table)}' for kind, table in by_type.items())
    print(f'wrote {paths[0]} and {paths[1]}: {len(total)} answers ({sizes})')


def main() -> None:
    parser = new_parser(__doc__, folder=True)
    parser.add_argument('questions', type=existing_folder, metavar='DIR', help='folder of questions')
    parser.add_argument('--form', choices=(*FORMS, 'vocabulary'), default='finetune',
                        help='what to write (default: %(default)s)')
    parser.add_argument('--splits', nargs='+', choices=SPLITS, default=('train', 'val'), help='default: train val')
    parser.add_argument('--subset', choices=('all', 'balanced'), default='balanced', help='default: %(default)s')
    parser.add_argument('--scene-graphs', type=existing_folder, metavar='DIR',
                        help='folder of scene graphs (default: that of questions)')
    parser.add_argument('--image-data', type=existing_file, metavar='FILE.json',
                        help="Visual Genome's image_data.json, for the sizes of images; others are looked for in the "
                        'scene graphs')
    parser.add_argument('--images', type=existing_folder, metavar='DIR',
                        help='folder of images, for sizes that are found nowhere else')
    parser.add_argument('--min-count', type=positive_number, default=1, metavar='N',
                        help='vocabulary: leave out answers that stand fewer than N times (default: %(default)s)')
    args = parser.parse_args()
    if args.form == 'vocabulary':
        build_vocabulary(args)
        return
    sizes = read_sizes(args.image_data) if args.image_data else {}
    for split in args.splits:
        name = f'finetune_gqa_{split}_{args.subset}' if args.form == 'finetune' else f'final_gqa_{split}'
        if stays(args.out / f'{name}.json', args.overwrite):
            continue
        files = [read_questions(path) for path in question_files(args.questions, split, args.subset)]
        graphs, scenes = (args.scene_graphs or args.questions) / f'{split}_sceneGraphs.json', Scenes({}, {})
        if graphs.is_file():
            scenes = read_scenes(graphs)
        else:
            print(f'{graphs} is not there: the questions of {split} get no boxes')
        make_pairs = partial(gqa_pairs, boxes=scenes.boxes, sizes=scenes.sizes | sizes, images=args.images,
                             form=args.form)
        write_rows(args.out / f'{name}.json', chain.from_iterable(files), 'question', make_pairs,
                   total=sum(map(len, files)), categories=())


if __name__ == '__main__':
    run(main, interrupted='interrupted, the files that were written stay')
