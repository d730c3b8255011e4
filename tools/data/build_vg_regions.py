"""Make an annotation file in MDETR's format from the regions of Visual Genome.

    python tools/data/build_vg_regions.py data/vg/region_graphs.json data/vg/image_data.json --out data/vg/regions.json

Both files are Visual Genome's (1.2 for region_graphs.json). The words that name what a region is about are found by
spaCy; with --parser none they are not looked for: boxes of objects are tied to their own words, and a region without
such objects is tied to its whole text. What an interrupted run has done is kept in OUT.json.parts, and the same command
goes on from there. The same files and parser give the same bytes.
"""
from collections import Counter

from mmdet_ext.annotations.builders.command import existing_file, new_parser, parse_new_file, progress, write_file
from mmdet_ext.annotations.builders.image_lists import read_sizes
from mmdet_ext.annotations.builders.visual_genome import read_graphs, region_pairs
from mmdet_ext.command_line import run
from mmdet_ext.text.parsing import PARSERS, load_parser
from mmdet_ext.unfinished import Unfinished, file_version


def main() -> None:
    parser = new_parser(__doc__)
    parser.add_argument('graphs', type=existing_file, metavar='region_graphs.json', help='regions with their objects')
    parser.add_argument('image_data', type=existing_file, metavar='image_data.json', help='sizes of the images')
    parser.add_argument('--parser', choices=PARSERS, default='spacy',
                        help='what finds the words that name a region (default: %(default)s)')
    parser.add_argument('--restart', action='store_true', help='forget what an interrupted run has left')
    args = parse_new_file(parser)

    parse, images, sizes = load_parser(args.parser), read_graphs(args.graphs), read_sizes(args.image_data)
    work = Unfinished(args.out)
    work.begin(dict(parser=args.parser, graphs=file_version(args.graphs), image_data=file_version(args.image_data)),
               restart=args.restart)
    counts = Counter()
    with progress(None, 'images', 'image', total=len(images)) as bar:
        write_file(args.out, region_pairs(images, sizes, parse, work, counts, bar.update), counts)
    work.remove()


if __name__ == '__main__':
    run(main, interrupted='interrupted, the same command goes on from here')
