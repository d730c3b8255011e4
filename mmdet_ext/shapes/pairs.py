"""Pairs of colour and shape that no text and no image of a training shows, to see whether words find them nevertheless.

    grounding_names.json        MDETR: the names of all objects of an image: 'red circle . red . circle . ...'
    grounding_captions.json     MDETR: captions that list objects, of other images
    shuffled_names.json         the same images and boxes with the names of other objects
    shuffled_captions.json      the same images and boxes with the captions of other images
    instances_left_out.json     COCO: the objects of the pairs that are left out, in images of which none is trained on
    instances_shown.json        COCO: the objects of the other pairs in the same images
    names.txt                   all names of the training
"""
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..annotations.shuffled_captions import shuffle_captions
from ..files import replace_file
from .folder import load_scenes
from .grounding import GroundingFile
from .phrases import Description, Named, denoted, write
from .scene import COLORS, SHAPE_CLASSES, Scene, SceneObject

Pair = tuple[str, str]  # colour and shape
LEFT_OUT: tuple[Pair, ...] = tuple(zip(COLORS, SHAPE_CLASSES))  # six, no colour and no shape twice


class PairsReport(NamedTuple):
    """How many images are trained on, with names and with captions, how many are evaluated, and how many of their
    objects are of pairs that are left out."""
    names: int
    captions: int
    evaluated: int
    left_out: int


def leave_out(data: str | Path, out: str | Path, pairs: Sequence[Pair] = LEFT_OUT, *, evaluated: int = 400,
              seed: int = 0) -> PairsReport:
    """Write the files above for the training split of a Shapes set. Images without any of the pairs are trained on, one
    half with names and one half with captions; the first `evaluated` of the others are evaluated.

    Args:
        data: Folder of the set.
        out: Folder of the new files.
        pairs: Colours and shapes that are left out.
        evaluated: Number of images.
        seed: Decides what is shuffled.

    Raises:
        OSError: The set is not there.
        ValueError: A pair is none of Shapes, or the set has too few images.
    """
    for color, shape in pairs:
        if color not in COLORS or shape not in SHAPE_CLASSES:
            raise ValueError(f'pairs: {color} {shape} is no pair of Shapes, which has the colours {", ".join(COLORS)} '
                             f'and the shapes {", ".join(SHAPE_CLASSES)}')
    annotations, out = Path(data, 'annotations'), Path(out)
    scenes = load_scenes(annotations / 'scenes_train.json')
    coco, grounding = (json.loads((annotations / f'{kind}_train.json').read_text(encoding='utf-8'))
                       for kind in ('instances', 'grounding'))
    has_pair = [any(_pair(obj) in pairs for obj in scene.objects) for scene in scenes]
    trained = [scene for scene, has in zip(scenes, has_pair) if not has and scene.objects]
    others = [scene for scene, has in zip(scenes, has_pair) if has]
    if len(others) < evaluated or len(trained) < 2:
        raise ValueError(f'{data}: {len(others)} images have a pair that is left out and {len(trained)} have none, '
                         f'{evaluated} and at least 2 are needed: make more images')
    named, captioned = trained[::2], trained[1::2]
    captions = _captions(grounding, captioned)
    shown = [pair for color in COLORS for shape in SHAPE_CLASSES if (pair := (color, shape)) not in pairs]
    files = dict(
        grounding_names=_names(named, coco), grounding_captions=captions,
        shuffled_names=_names(_with_shuffled_names(named, seed), coco),
        shuffled_captions=shuffle_captions(captions, seed).content,
        instances_left_out=_instances(others[:evaluated], coco, pairs),
        instances_shown=_instances(others[:evaluated], coco, shown))
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        with replace_file(out / f'{name}.json') as file:
            file.write(json.dumps(content).encode())
    texts = [*COLORS, *SHAPE_CLASSES, *map(' '.join, shown)]
    with replace_file(out / 'names.txt') as file:
        file.write('\n'.join([*texts, '']).encode())
    return PairsReport(len(named), len(captioned), evaluated, len(files['instances_left_out']['annotations']))


def _pair(obj: SceneObject) -> Pair:
    return obj.color, obj.shape


def _names(scenes: Sequence[Scene], coco: dict[str, Any]) -> dict[str, Any]:
    """Of each object the names 'red circle', 'red' and 'circle', which are phrases of one caption."""
    file = GroundingFile(coco, 'shapes_names')
    for scene in scenes:
        names = {}
        for obj in scene.objects:
            for color, shape in ((obj.color, obj.shape), (obj.color, None), (None, obj.shape)):
                ids = denoted(scene, Description(None, color, shape))
                names[' '.join(filter(None, (color, shape)))] = ids
        parts = [part for name, ids in names.items() for part in (Named(name, ids), ' . ')]
        text = write(parts[:-1])
        phrases = [[[phrase.begin, phrase.end]] for phrase in text.phrases]
        file.add(scene, text, [obj.id for obj in scene.objects], original_img_id=scene.image_id, sentence_id=0,
                 tokens_positive_eval=phrases)
    return file.content


def _with_shuffled_names(scenes: Sequence[Scene], seed: int) -> list[Scene]:
    """Scenes whose objects have the colour and shape of another object, drawn from all of them."""
    pairs = [_pair(obj) for scene in scenes for obj in scene.objects]
    order = iter(np.random.RandomState(seed).permutation(len(pairs)))
    shuffled = []
    for scene in scenes:
        drawn = [pairs[next(order)] for _ in scene.objects]
        objects = (replace(obj, color=color, shape=shape)
                   for obj, (color, shape) in zip(scene.objects, drawn, strict=True))
        shuffled.append(replace(scene, objects=tuple(objects)))
    return shuffled


def _captions(grounding: dict[str, Any], scenes: Sequence[Scene]) -> dict[str, Any]:
    """The first caption of each image, which lists all of its objects."""
    ids = {scene.image_id for scene in scenes}
    images = [image for image in grounding['images'] if image['original_img_id'] in ids and not image['sentence_id']]
    kept = {image['id'] for image in images}
    return grounding | dict(images=images, annotations=[row for row in grounding['annotations']
                                                        if row['image_id'] in kept])


def _instances(scenes: Sequence[Scene], coco: dict[str, Any], pairs: Sequence[Pair]) -> dict[str, Any]:
    """COCO annotations of the objects of some pairs, each pair a category."""
    objects = {(scene.image_id, obj.id): _pair(obj) for scene in scenes for obj in scene.objects}
    category_ids = {pair: number for number, pair in enumerate(pairs, 1)}
    rows = [row | dict(category_id=category_ids[pair]) for row in coco['annotations']
            if (pair := objects.get((row['image_id'], row['object_id']))) in category_ids]
    ids = {scene.image_id for scene in scenes}
    return coco | dict(
        images=[image for image in coco['images'] if image['id'] in ids], annotations=rows,
        categories=[dict(id=number, name=' '.join(pair)) for pair, number in category_ids.items()])
