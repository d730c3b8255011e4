"""Annotation files of MDETR from Flickr30k Entities: one entry for each pair of image and sentence.

https://arxiv.org/abs/2104.12763, https://arxiv.org/abs/1505.04870
"""
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ...text.spans import word_begin
from ..flickr_entities import ImageEntities, Sentence, read_entities, read_sentences, read_split
from .boxes import merge_boxes
from .grounding_file import Pair, box_row, image_row

# Entities that the annotations do not list: they cannot be seen.
NOT_VISUAL = '0'
_SAME_BOX_IOU = 0.95


def read_image_ids(path: Path) -> list[str]:
    """The ids of the images of a split; a ValueError if there is none, one is listed twice, or one is no number."""
    images = read_split(path)
    if not images:
        raise ValueError(f'{path} lists no images')
    if twice := [image for image, count in Counter(images).items() if count > 1]:
        raise ValueError(f'{path} lists {len(twice)} images twice. The first: {", ".join(twice[:5])}')
    if wrong := [image for image in images if not (image.isascii() and image.isdecimal())]:
        raise ValueError(f'{path}: an id of an image should be a number, got {wrong[0]!r}')
    return images


def flickr_pairs(root: Path, images: Iterable[str], counts: Counter, *, merged: bool = False,
                 allow_unknown: bool = False) -> Iterator[Pair]:
    """Images with their sentences, and boxes; `counts` gets how many phrases and boxes there are of which kind.

    Args:
        root: Folder with ``Annotations`` and ``Sentences``.
        images: Their ids.
        merged: One box for each entity, which encloses all of its boxes.
        allow_unknown: Take entities of a sentence that the annotation does not know for ones without a box, in place of
            a ValueError.
    """
    for image in images:
        entities = read_entities(root / 'Annotations' / f'{image}.xml')
        boxes = entities.boxes
        if merged:
            boxes = {entity: [[*np.min(parts, axis=0)[:2].tolist(), *np.max(parts, axis=0)[2:].tolist()]]
                     for entity, parts in boxes.items()}
        path = root / 'Sentences' / f'{image}.txt'
        counts['images'] += 1
        for number, sentence in enumerate(read_sentences(path)):
            _count(sentence, entities, path, counts, allow_unknown)
            begins = [word_begin(phrase.first_word, sentence.text) for phrase in sentence.phrases]
            spans = [[begin, begin + len(phrase.text)] for begin, phrase in zip(begins, sentence.phrases)]
            rows = _sentence_boxes(sentence, spans, boxes)
            counts['merged'] += sum(len(boxes.get(phrase.entity, ())) for phrase in sentence.phrases) - len(rows)
            boxed = [[span] for phrase, span in zip(sentence.phrases, spans) if phrase.entity in boxes]
            yield image_row(f'{image}.jpg', (str(entities.height), str(entities.width)), sentence.text, 'flickr',
                            sentence_id=number, original_img_id=int(image), tokens_positive_eval=boxed), rows


def _sentence_boxes(sentence: Sentence, spans: list[list[int]], boxes: dict[str, list[list[float]]]) -> list[dict]:
    """The annotations of a sentence whose phrases have `spans`.

    Its entities give all their `boxes` (x1, y1, x2, y2), once for each time that they are named. Boxes that are nearly
    the same become one object: the last of them, tied to all phrases of the entities that it came from.
    """
    entity_boxes = [(phrase.entity, box) for phrase in sentence.phrases for box in boxes.get(phrase.entity, ())]
    rows = []
    for group in merge_boxes([box for _, box in entity_boxes], _SAME_BOX_IOU):
        entities = {entity_boxes[index][0] for index in group}
        named = [span for phrase, span in zip(sentence.phrases, spans) if phrase.entity in entities]
        x1, y1, x2, y2 = map(float, entity_boxes[group[-1]][1])
        rows.append(box_row([x1, y1, x2 - x1, y2 - y1], named))
    return rows


def _count(sentence: Sentence, entities: ImageEntities, path: Path, counts: Counter, allow_unknown: bool) -> None:
    """Count the phrases by what is known of their entities."""
    for phrase in sentence.phrases:
        entity, kind = phrase.entity, 'phrases of unknown entities'
        if entity in entities.boxes:
            kind = 'phrases with a box'
        elif entity in (NOT_VISUAL, *entities.no_box, *entities.scene):
            kind = 'phrases without a box'
        elif not allow_unknown:
            lines = path.read_text(encoding='utf-8').split('\n')
            line = next(number for number, text in enumerate(lines, 1) if f'[/EN#{entity}/' in text)
            raise ValueError(f'{path}, line {line}: the phrase {phrase.text!r} names the entity {entity}, which '
                             f'{path.parents[1] / "Annotations" / path.stem}.xml does not have')
        counts[kind] += 1
