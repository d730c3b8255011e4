"""Recall of phrase grounding as on Flickr30k Entities (MDETR, https://arxiv.org/abs/2104.12763, section 4.2)."""
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmdet.registry import METRICS
from mmengine.evaluator import BaseMetric
from torchvision.ops import box_convert

from ..annotations.annotation_file import read_grounding
from ..annotations.flickr_entities import read_entities, read_sentences, read_split
from ..annotations.grounding_checks import positive_spans
from .phrase_recall import PROTOCOLS, PhraseTarget, phrase_hits, phrase_target, rank_boxes, recall

Key = tuple[str, int] | int  # image and sentence of Flickr30k Entities, or id of the entry of a grounding json


@METRICS.register_module()
class PhraseGroundingMetric(BaseMetric):
    """Recall@k and upper bound of the phrases of captions, over all of them ('all') and by type of entity.

    Per phrase, all boxes are sorted by its score; the phrase is found at k if one of the first k boxes has a plain IoU
    of at least `iou_thr` with a target. For the upper bound all boxes count. Predictions are `pred_instances` with
    `bboxes` (N, 4) in pixels of the original image and `phrase_scores` (N, P), phrases in the order of the ground
    truth. Results have names such as ``any_box/recall@1_all``; `prefix` replaces the protocol in front.

    There are two sources of ground truth. With `entities_root` and `split_file` it is the official one: the phrases are
    those of entities with a box. With `ann_file`, a grounding json, the phrases are the `tokens_positive_eval` of an
    entry; the boxes of a phrase are those whose `tokens_positive` share a span with it, and types are not known.

    Args:
        ann_file: Grounding json: COCO's format, an image for each pair of image and caption.
        entities_root: Folder of Flickr30k Entities with ``Annotations`` and ``Sentences``; data samples need
            `original_img_id` and `sentence_id`.
        split_file: List of its images, relative to `entities_root`.
        protocol: 'any_box': each box of an entity is a target; 'merged_boxes': the box that encloses them.
        topk: Values of k.
        iou_thr: Lowest IoU of a right box.
    """

    def __init__(self, ann_file: str | None = None, *, entities_root: str | None = None, split_file: str | None = None,
                 protocol: str = 'any_box', topk: Sequence[int] = (1, 5, 10), iou_thr: float = 0.5,
                 prefix: str | None = None, **kwargs: Any) -> None:
        if protocol not in PROTOCOLS:
            raise ValueError(f'protocol must be one of {PROTOCOLS}, got {protocol!r}')
        if (ann_file is None) == (entities_root is None) or (entities_root is None) != (split_file is None):
            raise ValueError('the ground truth is either ann_file, or entities_root with split_file, got '
                             f'ann_file={ann_file!r}, entities_root={entities_root!r}, split_file={split_file!r}')
        super().__init__(prefix=prefix or protocol, **kwargs)
        self.topk = topk
        self.iou_thr = iou_thr
        self.file = ann_file or str(Path(entities_root, split_file))
        self.from_entities = ann_file is None
        self.targets = (entities_targets(Path(entities_root), self.file, protocol) if self.from_entities
                        else json_targets(ann_file, protocol))

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            key = self._known_key(sample)
            self.results.append((key, self._hits(key, sample['pred_instances'])))

    def phrases_of(self, sample: dict) -> tuple[list[PhraseTarget], list[list[bool]]]:
        """The targets of the phrases of a caption, and the `phrase_hits` of its predictions."""
        key = self._known_key(sample)
        return self.targets[key], self._hits(key, sample['pred_instances'])

    def compute_metrics(self, results: list[tuple[Key, list[list[bool]]]]) -> dict[str, float]:
        hits_of = dict(results)
        if missing := [_name(key) for key, targets in self.targets.items() if targets and key not in hits_of]:
            raise ValueError(f'{self.file}: there are no predictions for {len(missing)} of its captions. The first: '
                             f'{"; ".join(missing[:5])}')
        return recall(((target.types, hit) for key, hits in hits_of.items()
                       for target, hit in zip(self.targets[key], hits, strict=True)), self.topk)

    def _hits(self, key: Key, prediction: dict) -> list[list[bool]]:
        """`phrase_hits` of each phrase of a caption."""
        targets = self.targets[key]
        if not targets:
            return []
        if 'phrase_scores' not in prediction:
            raise ValueError(f'{_name(key)}: the predictions have no phrase_scores, only {sorted(prediction)}; the '
                             'model gives them if the data sample has tokens_positive_eval')
        ranked = rank_boxes(prediction['bboxes'].cpu(), prediction['phrase_scores'].cpu())
        if len(ranked) != len(targets):
            raise ValueError(f'{_name(key)}: the number of phrases with boxes is {len(targets)} in {self.file}, and '
                             f'{len(ranked)} in the predictions')
        return [phrase_hits(boxes, target, self.topk, self.iou_thr) for boxes, target in zip(ranked, targets)]

    def _known_key(self, sample: dict) -> Key:
        key = self._key(sample)
        if key not in self.targets:
            raise ValueError(f'{self.file} has no {_name(key)}, for which there are predictions')
        return key

    def _key(self, sample: dict) -> Key:
        names = ('original_img_id', 'sentence_id') if self.from_entities else ('img_id', )
        if missing := [name for name in names if name not in sample]:
            raise ValueError(f'the data samples have no {missing}, by which {self.file} is looked up: add it to '
                             'meta_keys of PackDetInputs')
        values = [sample[name] for name in names]
        return (str(values[0]), int(values[1])) if self.from_entities else values[0]


def entities_targets(root: Path, split_file: str, protocol: str) -> dict[Key, list[PhraseTarget]]:
    """The phrases with a box of each sentence of a split of Flickr30k Entities, in the order of the sentence."""
    targets = {}
    for image in read_split(split_file):
        boxes = read_entities(root / 'Annotations' / f'{image}.xml').boxes
        for number, sentence in enumerate(read_sentences(root / 'Sentences' / f'{image}.txt')):
            targets[image, number] = [phrase_target(boxes[phrase.entity], phrase.types, protocol)
                                      for phrase in sentence.phrases if phrase.entity in boxes]
    if not any(targets.values()):
        raise ValueError(f'{split_file}: no phrase of its images has a box, so that there is nothing to measure')
    return targets


def json_targets(ann_file: str, protocol: str) -> dict[Key, list[PhraseTarget]]:
    """The phrases `tokens_positive_eval` of each entry of a grounding json.

    Raises:
        ValueError: If no entry has phrases, or a phrase has no box, or one that is not four numbers.
    """
    content = read_grounding(ann_file)
    if not any(image.get('tokens_positive_eval') for image in content['images']):
        raise ValueError(f'{ann_file}: no image has tokens_positive_eval, the phrases to evaluate')
    rows = defaultdict(list)
    for row in content['annotations']:
        if not row['iscrowd']:
            rows[row['image_id']].append(row)
    targets = {}
    for image in content['images']:
        key = image['id']
        targets[key] = []
        for spans in image.get('tokens_positive_eval', ()):
            boxes = [row['bbox'] for row in rows[key] if any(span in spans for span in positive_spans(row) or ())]
            if not boxes:
                raise ValueError(f'{ann_file}: no annotation of image {key} has a span of the phrase {spans} of its '
                                 'tokens_positive_eval')
            corners = box_convert(torch.tensor(boxes, dtype=torch.float64), 'xywh', 'xyxy').tolist()
            targets[key].append(phrase_target(corners, (), protocol))
    return targets


def _name(key: Key) -> str:
    return f'image {key[0]}, sentence {key[1]}' if isinstance(key, tuple) else f'image {key}'
