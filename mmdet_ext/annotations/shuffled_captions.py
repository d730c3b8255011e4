"""A control for phrase grounding: the same images and boxes with captions of other images."""
from collections import defaultdict
from typing import Any, NamedTuple

import numpy as np

from ..text.spans import Spans
from .grounding_checks import positive_spans


class Shuffled(NamedTuple):
    """The content of the new file, and the number of pairs that were left out because no other caption fits them."""
    content: dict[str, Any]
    left_out: int


def shuffle_captions(content: dict[str, Any], seed: int = 0) -> Shuffled:
    """Give each image the caption of another image with the same number of phrases; phrase i gets the boxes of phrase
    i.

    A model that uses the text then finds these boxes only by chance. A model that finds them as often as with the right
    captions ignores the text. Captions are exchanged within a `dataset_name` and `sentence_id`.

    Args:
        content: Content of a file in MDETR's format whose images have `tokens_positive_eval`, the phrases.
        seed: Seed of the random order.

    Raises:
        ValueError: If an image has no `tokens_positive_eval`, or no caption can be exchanged.
    """
    groups = defaultdict(list)
    for image in content['images']:
        if 'tokens_positive_eval' not in image:
            raise ValueError(f'image {image["id"]} has no tokens_positive_eval, the phrases to ask for')
        key = (image.get('dataset_name'), image.get('sentence_id'), len(image['tokens_positive_eval']))
        groups[key].append(image)
    rng, partners = np.random.RandomState(seed), {}
    for images in groups.values():
        partners |= _exchanged([images[i] for i in rng.permutation(len(images))])
    if not partners:
        raise ValueError('no two images have captions with the same number of phrases')
    images = [image | dict(caption=partners[image['id']]['caption'],
                           tokens_positive_eval=partners[image['id']]['tokens_positive_eval'])
              for image in content['images'] if image['id'] in partners]
    phrases_of = {image['id']: image['tokens_positive_eval'] for image in content['images']}
    annotations = [
        row | dict(tokens_positive=_same_phrases(positive_spans(row) or [], phrases_of[row['image_id']],
                                                 partners[row['image_id']]['tokens_positive_eval']))
        for row in content.get('annotations', ()) if row['image_id'] in partners]
    return Shuffled(content | dict(images=images, annotations=annotations), len(content['images']) - len(images))


def _exchanged(images: list[dict]) -> dict[int, dict]:
    """For the id of each entry the next entry in the list, which is a ring, that has another image; entries without one
    are left out."""
    partners = {}
    for place, image in enumerate(images):
        following = images[place + 1:] + images[:place]
        partner = next((candidate for candidate in following if candidate['file_name'] != image['file_name']), None)
        if partner is not None:
            partners[image['id']] = partner
    return partners


def _same_phrases(spans: Spans, phrases: list[Spans], other_phrases: list[Spans]) -> Spans:
    """The spans in the other caption of those phrases that have one of `spans` in this caption."""
    known = {tuple(span) for span in spans}
    return [span for phrase, other_phrase in zip(phrases, other_phrases, strict=True)
            if known & {tuple(span) for span in phrase} for span in other_phrase]
