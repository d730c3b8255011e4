"""Captions and referring expressions of scenes in the format of MDETR's annotation files."""
from collections.abc import Sequence
from zlib import crc32

import numpy as np

from .captions import caption_list, caption_statements
from .phrases import Text
from .questions import ask
from .referring import refer
from .scene import Scene

# The most referring expressions of one image.
_EXPRESSIONS = 3


def to_grounding(scenes: Sequence[Scene], coco: dict, seed: int, split: str) -> dict:
    """The content of a `grounding_*.json`: two captions of each image with the boxes of their phrases.

    Args:
        scenes: Scenes of a split.
        coco: The content of its `instances_*.json`, for boxes, areas and polygons.
        seed: Seed of the set.
        split: Name of the split.
    """
    file = GroundingFile(coco, 'shapes')
    for scene in scenes:
        rng = _random(seed, split, scene, 'captions')
        texts = [caption_list(scene, rng)]
        if scene.objects:
            texts.append(caption_statements(scene, rng) or caption_list(scene, rng))
        for sentence, text in enumerate(texts):
            phrases = [[[phrase.begin, phrase.end]] for phrase in text.phrases]
            file.add(scene, text, sorted({id_ for phrase in text.phrases for id_ in phrase.ids}), sentence_id=sentence,
                     original_img_id=scene.image_id, tokens_positive_eval=phrases)
    return file.content


def to_refexp(scenes: Sequence[Scene], coco: dict, seed: int, split: str) -> dict:
    """The content of a `refexp_*.json`: up to three expressions of each image, with one box each."""
    file = GroundingFile(coco, 'shapes_refexp')
    for scene in scenes:
        rng = _random(seed, split, scene, 'expressions')
        for id_ in rng.permutation(len(scene.objects))[:_EXPRESSIONS].tolist():
            text = refer(scene, scene.objects[id_], rng)
            if text is not None:
                target = Text(text.text, text.phrases[:1])
                file.add(scene, target, [id_], original_id=file.rows[scene.image_id, id_]['id'])
    return file.content


def to_questions(scenes: Sequence[Scene], coco: dict, seed: int, split: str) -> dict:
    """The content of a `questions_*.json`: up to six questions of each image, with the boxes of what they name."""
    file = GroundingFile(coco, 'shapes_questions')
    for scene in scenes:
        for question in ask(scene, _random(seed, split, scene, 'questions')):
            ids = sorted({id_ for phrase in question.text.phrases for id_ in phrase.ids})
            file.add(scene, question.text, ids, original_img_id=scene.image_id,
                     question_id=len(file.content['images']) + 1, question_type=question.type,
                     question_kind=question.kind, answer=question.answer)
    return file.content


class GroundingFile:
    """The content of an annotation file, to which `add` appends pairs of image and text."""

    def __init__(self, coco: dict, dataset_name: str) -> None:
        self.dataset_name = dataset_name
        self.rows = {(row['image_id'], row['object_id']): row for row in coco['annotations']}
        self.content = dict(
            info=dict(description='Shapes'), images=[], annotations=[],
            categories=[dict(id=1, name='object', supercategory='object')])

    def add(self, scene: Scene, text: Text, ids: Sequence[int], **fields: object) -> None:
        images, annotations = self.content['images'], self.content['annotations']
        images.append(
            dict(id=len(images) + 1, file_name=scene.file_name, height=scene.height, width=scene.width,
                 caption=text.text, dataset_name=self.dataset_name, tokens_negative=[[0, len(text.text)]], **fields))
        for id_ in ids:
            row = self.rows[scene.image_id, id_]
            spans = [[phrase.begin, phrase.end] for phrase in text.phrases if id_ in phrase.ids]
            annotations.append(
                dict(id=len(annotations) + 1, image_id=len(images), category_id=1, bbox=row['bbox'], area=row['area'],
                     segmentation=row['segmentation'], iscrowd=0, tokens_positive=spans))


def _random(seed: int, split: str, scene: Scene, purpose: str) -> np.random.RandomState:
    """The random numbers for one purpose and one image."""
    return np.random.RandomState(crc32(f'{seed}/{split}/{scene.image_id}/{purpose}'.encode()))
