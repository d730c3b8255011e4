"""The mixed pre-training data: captions of referring expressions, questions and regions, combined per picture.

https://arxiv.org/abs/2104.12763, appendix on the pre-training data
"""
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from .combine import Caption, combine_captions
from .mixed_pictures import Picture
from .mixed_split import MixedSplit
from .parts import Pair, Part, write_parts


def write_mixed(split: MixedSplit, out: Path, *, max_chars: int = 250, generalized: bool = False,
                on_pictures: Callable[[int], object] = lambda count: None) -> Counter:
    """Combine the captions of each picture and write the annotation file.

    Args:
        split: The captions, sorted by picture.
        out: File to write, and in `.NAME.parts` beside it what an interrupted run has done.
        max_chars: See `combine_captions`.
        generalized: See `combine_captions`.
        on_pictures: Called with the number of pictures that were combined.

    Returns:
        `captions` and `boxes` that were written, `pictures`, `kept captions` of the inputs, `too long` of them that are
        longer than `max_chars`, and `boxes without words`.
    """

    def combine(shard: int) -> Callable[[Counter], Iterator[Pair]]:

        def pairs(counts: Counter) -> Iterator[Pair]:
            for picture, captions in split.read(shard):
                combined = combine_captions(captions, max_chars=max_chars, generalized=generalized)
                counts['pictures'] += 1
                counts['kept captions'] += len(captions)
                counts['too long'] += sum(len(caption.text) > max_chars for caption in captions)
                for caption in combined:
                    counts['boxes without words'] += sum(not box.spans for box in caption.boxes)
                    yield _entry(picture, caption)
                on_pictures(1)

        return pairs

    parts = [Part(file, combine(shard)) for shard, file in enumerate(split.first_files())]
    sizes = dict(zip(split.first_files(), split.shard_sizes(), strict=True))
    return write_parts(out, parts, options=dict(max_chars=max_chars, generalized=generalized),
                       on_kept=lambda part: on_pictures(sizes[part.source]))


def _entry(picture: Picture, caption: Caption) -> Pair:
    """A pair as the published file has it; a box that no word names is left out."""
    image = dict(file_name=picture.file_name, height=picture.height, width=picture.width, original_id=picture.id,
                 caption=caption.text, tokens_negative=caption.negative, data_source=picture.source,
                 dataset_name='mixed')
    rows = [dict(area=box.area, iscrowd=box.iscrowd, category_id=1, bbox=box.bbox, tokens_positive=box.spans)
            for box in caption.boxes if box.spans]
    return image, rows
