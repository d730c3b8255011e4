"""The files of Flickr30k Entities (https://arxiv.org/abs/1505.04870): captions with marked phrases, boxes of entities.

Layout of its folder: ``Sentences/ID.txt``, ``Annotations/ID.xml``, and a list of ids per split, as ``val.txt``.
"""
import re
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

_PHRASE = re.compile(r'\[/EN#(?P<entity>[^/\s\]]+)/(?P<types>[^\s\]]+)\s+(?P<words>[^]]+)]')


class Phrase(NamedTuple):
    """Words of a sentence that name an entity, that is a person or thing of the image."""
    first_word: int  # its place in the sentence, in words
    text: str
    entity: str
    types: tuple[str, ...]  # of people, clothing, bodyparts, animals, vehicles, instruments, scene, other, notvisual


class Sentence(NamedTuple):
    """One of the captions of an image, without marks, its words joined by single spaces."""
    text: str
    phrases: list[Phrase]


class ImageEntities(NamedTuple):
    """The entities of an image and their boxes."""
    width: int
    height: int
    depth: int
    boxes: dict[str, list[list[int]]]  # (x1, y1, x2, y2) in pixels as in the file, by entity
    no_box: list[str]  # entities that are marked as having none
    scene: list[str]  # entities that are the scene as a whole


def read_split(path: str | Path) -> list[str]:
    """The ids of the images of a split, one a line."""
    return Path(path).read_text(encoding='utf-8').split()


def read_sentences(path: str | Path) -> list[Sentence]:
    """The sentences of an image; empty lines are none.

    Raises:
        ValueError: If a mark ``[/EN#ENTITY/TYPE words]`` is not complete.
    """
    lines = Path(path).read_text(encoding='utf-8').split('\n')
    return [_sentence(line, f'{path}, line {number}') for number, line in enumerate(lines, 1) if line.strip()]


def read_entities(path: str | Path) -> ImageEntities:
    """The entities of an image.

    Raises:
        ValueError: If the file is no XML, or has no size or a box without one of its numbers.
    """
    try:
        root = ElementTree.parse(path).getroot()
        width, height, depth = (int(root.findtext(f'size/{name}')) for name in ('width', 'height', 'depth'))
        entities = ImageEntities(width, height, depth, {}, [], [])
        for row in root.iter('object'):
            _add_object(row, entities)
    except (ElementTree.ParseError, TypeError, ValueError) as error:
        raise ValueError(f'{path} is not an annotation of Flickr30k Entities: {error}') from error
    return entities


def _sentence(line: str, line_name: str) -> Sentence:
    words, phrases, end = [], [], 0
    for mark in _PHRASE.finditer(line):
        words += line[end:mark.start()].split()
        phrase_words = mark['words'].split()
        phrases.append(Phrase(len(words), ' '.join(phrase_words), mark['entity'], tuple(mark['types'].split('/'))))
        words += phrase_words
        end = mark.end()
    text = ' '.join(words + line[end:].split())
    if '[/EN#' in text:
        raise ValueError(f'{line_name}: a phrase should be marked as [/EN#ENTITY/TYPE words], got {line.strip()!r}')
    return Sentence(text, phrases)


def _add_object(row: ElementTree.Element, entities: ImageEntities) -> None:
    names = [name.text for name in row.findall('name')]
    box = row.find('bndbox')
    if box is not None:
        corners = [int(box.findtext(side)) for side in ('xmin', 'ymin', 'xmax', 'ymax')]
        for name in names:
            entities.boxes.setdefault(name, []).append(corners)
    if int(row.findtext('nobndbox', '0')):
        entities.no_box.extend(names)
    if int(row.findtext('scene', '0')):
        entities.scene.extend(names)
