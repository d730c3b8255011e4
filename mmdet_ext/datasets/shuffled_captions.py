"""A control for phrase grounding: the same images and boxes with captions of other images."""
from collections import defaultdict
from typing import Any, NamedTuple

import numpy as np

from ..text.spans import Spans
from .grounding_checks import positive_spans


class Shuffled(NamedTuple):
    """The content of a grounding json, and how many pairs were left out because no other caption fits them."""
    content: dict[str, Any]
    left_out: int


def shuffle_captions(content: dict[str, Any], seed: int = 0) -> Shuffled:
    """Give each pair the caption of another image with as many phrases; phrase i asks there for the boxes of phrase i.

    A model that uses the text finds the boxes of the pair's own caption no better than by chance then; one that finds
    them as well as before never looked at it. Captions are exchanged within a `dataset_name` and `sentence_id`.

    Args:
        content: Of a grounding json whose images have `tokens_positive_eval`, the phrases.
        seed: Of the random order.

    Raises:
        ValueError: If an image has no `tokens_positive_eval`, or no caption can be exchanged.
    """
    groups = defaultdict(list)
    for image in content['images']:
        if 'tokens_positive_eval' not in image:
            raise ValueError(f'image {image["id"]} has no tokens_positive_eval, the phrases to ask for')
        key = (image.get('dataset_name'), image.get('sentence_id'), len(image['tokens_positive_eval']))
        groups[key].append(image)
    rng, others = np.random.RandomState(seed), {}
    for images in groups.values():
        others |= _exchanged([images[i] for i in rng.permutation(len(images))])
    if not others:
        raise ValueError('no two images have captions with the same number of phrases')
    images = [image | dict(caption=others[image['id']]['caption'],
                           tokens_positive_eval=others[image['id']]['tokens_positive_eval'])
              for image in content['images'] if image['id'] in others]
    own = {image['id']: image['tokens_positive_eval'] for image in content['images']}
    annotations = [
        row | dict(tokens_positive=_same_phrases(positive_spans(row) or [], own[row['image_id']],
                                                 others[row['image_id']]['tokens_positive_eval']))
        for row in content.get('annotations', ()) if row['image_id'] in others]
    return Shuffled(content | dict(images=images, annotations=annotations), len(content['images']) - len(images))


def _exchanged(images: list[dict]) -> dict[int, dict]:
    """For each image's id the next one, round, that shows another image; images without such a one are left out."""
    found = {}
    for place, image in enumerate(images):
        following = images[place + 1:] + images[:place]
        other = next((each for each in following if each['file_name'] != image['file_name']), None)
        if other is not None:
            found[image['id']] = other
    return found


def _same_phrases(spans: Spans, own: list[Spans], other: list[Spans]) -> Spans:
    """Spans of the phrases of the other caption that have the numbers of those with one of `spans`."""
    known = {tuple(span) for span in spans}
    return [span for phrase, theirs in zip(own, other, strict=True) if known & {tuple(each) for each in phrase}
            for span in theirs]
