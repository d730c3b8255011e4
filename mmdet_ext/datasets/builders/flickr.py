"""Annotation files of MDETR from Flickr30k Entities: one entry for each pair of picture and sentence.

https://arxiv.org/abs/2104.12763, https://arxiv.org/abs/1505.04870
"""
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..flickr_entities import ImageEntities, Sentence, read_entities, read_sentences, read_split
from .boxes import enclosing_box, merge_boxes
from .grounding_file import box_row, write_grounding

# Entities that the annotations do not list: they are no things to see.
NOT_VISUAL = '0'
_SAME_BOX = 0.95


def build_flickr(root: Path, split_file: Path, out: Path, *, merged: bool = False, allow_unknown: bool = False,
                 on_start: Callable[[int], object] = lambda count: None,
                 on_image: Callable[[], object] = lambda: None) -> Counter:
    """Write the file of a split.

    Args:
        root: Folder with ``Annotations`` and ``Sentences``.
        split_file: The ids of its images, one a line.
        out: File to write.
        merged: One box for each entity, which encloses all of its boxes.
        allow_unknown: Take entities of a sentence that the annotation does not know for ones without a box.
        on_start: Called with the number of images.
        on_image: Called after each image.

    Returns:
        How many there are of what.

    Raises:
        ValueError: If a file is broken, an image is listed twice or its id is no number, or a sentence and the
            annotation disagree.
    """
    images = _checked_split(split_file)
    on_start(len(images))
    counts = Counter(pictures=len(images))
    with write_grounding(out) as file:
        for image in images:
            entities = read_entities(root / 'Annotations' / f'{image}.xml')
            boxes = entities.boxes
            if merged:
                boxes = {entity: [enclosing_box(own).tolist()] for entity, own in boxes.items()}
            path = root / 'Sentences' / f'{image}.txt'
            for number, sentence in enumerate(read_sentences(path)):
                _count(sentence, entities, path, counts, allow_unknown)
                rows = sentence_boxes(sentence, boxes)
                file.add(_image_row(image, number, sentence, entities), rows)
                counts['merged'] += sum(len(boxes.get(phrase.entity, ())) for phrase in sentence.phrases) - len(rows)
            on_image()
        counts.update(captions=file.num_images, boxes=file.num_annotations)
    return counts


def sentence_boxes(sentence: Sentence, boxes: dict[str, list[list[float]]]) -> list[dict]:
    """The annotations of a sentence.

    Its entities give all their boxes, once for each time that they are named. Boxes that are nearly the same become
    one object: the last of them, tied to all phrases of the entities that it came from.

    Args:
        sentence: Of a picture.
        boxes: (x1, y1, x2, y2) in pixels, by entity.
    """
    owned = [(phrase.entity, box) for phrase in sentence.phrases for box in boxes.get(phrase.entity, ())]
    if not owned:
        return []
    spans = phrase_spans(sentence)
    rows = []
    for group in merge_boxes(np.array([box for _, box in owned], dtype=np.float64), _SAME_BOX):
        owners = {owned[place][0] for place in group}
        named = [span for phrase, span in zip(sentence.phrases, spans, strict=True) if phrase.entity in owners]
        rows.append(box_row(owned[max(group)][1], named))
    return rows


def phrase_spans(sentence: Sentence) -> list[list[int]]:
    """The characters [begin, end) of each phrase."""
    words = sentence.text.split(' ')
    begins = [sum(len(word) + 1 for word in words[:phrase.first_word]) for phrase in sentence.phrases]
    return [[begin, begin + len(phrase.text)] for begin, phrase in zip(begins, sentence.phrases)]


def _checked_split(path: Path) -> Sequence[str]:
    images = read_split(path)
    if not images:
        raise ValueError(f'{path} lists no images')
    if twice := [image for image, count in Counter(images).items() if count > 1]:
        raise ValueError(f'{path} lists {len(twice)} images twice. The first: {", ".join(twice[:5])}')
    if wrong := [image for image in images if not (image.isascii() and image.isdecimal())]:
        raise ValueError(f'{path}: an id of an image should be a number, got {wrong[0]!r}')
    return images


def _image_row(image: str, number: int, sentence: Sentence, entities: ImageEntities) -> dict:
    boxed = [[span] for phrase, span in zip(sentence.phrases, phrase_spans(sentence))
             if phrase.entity in entities.boxes]
    return dict(file_name=f'{image}.jpg', height=str(entities.height), width=str(entities.width), caption=sentence.text,
                dataset_name='flickr', tokens_negative=[[0, len(sentence.text)]], sentence_id=number,
                original_img_id=int(image), tokens_positive_eval=boxed)


def _count(sentence: Sentence, entities: ImageEntities, path: Path, counts: Counter, allow_unknown: bool) -> None:
    """Count the phrases by what is known of their entities."""
    for phrase in sentence.phrases:
        entity = phrase.entity
        if entity in entities.boxes:
            counts['phrases with a box'] += 1
        elif entity == NOT_VISUAL or entity in entities.no_box or entity in entities.scene:
            counts['phrases without a box'] += 1
        elif allow_unknown:
            counts['phrases of unknown entities'] += 1
        else:
            raise ValueError(f'{path}, line {_line_of(path, entity)}: the phrase {phrase.text!r} names the entity '
                             f'{entity}, which {path.parents[1] / "Annotations" / path.stem}.xml does not have')


def _line_of(path: Path, entity: str) -> int:
    lines = path.read_text(encoding='utf-8').split('\n')
    return next(number for number, line in enumerate(lines, 1) if f'[/EN#{entity}/' in line)
