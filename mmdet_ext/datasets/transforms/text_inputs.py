"""Words and phrases in the place of classes, for `TextYOLOv9`: of data sets with class names, and of captions."""
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet.datasets.transforms import PackDetInputs
from mmdet.registry import TRANSFORMS

from ...text.spans import phrase_text
from .grounding_inputs import META_KEYS

TextSet = tuple[str, ...]
_TEXT_SETS: list[TextSet] = []  # of this process; a label is a number in it
_NUMBERS: dict[TextSet, int] = {}


@TRANSFORMS.register_module()
class LoadTexts(BaseTransform):
    """Make the label of each box the number of its texts, so that steps that move, mix and drop boxes need not know
    texts. `PackTextInputs` ends such a pipeline.

    With a list of class names as `text` (a data set with `return_classes=True`) the text of a box is the name of its
    class. With a caption (`MDETRDataset`) a box has the phrases of its `gt_tokens_positive`, none, one or several. To
    be placed after `LoadAnnotations`, among the steps that load an image; the numbers are those of one process.

    Raises:
        ValueError: If an image brings no text, a label has no name, or spans and boxes are not as many.
    """

    def transform(self, results: dict) -> dict:
        text, labels = results.get('text'), results['gt_bboxes_labels']
        image = results.get('img_path')
        if isinstance(text, str):
            spans = results.get('gt_tokens_positive', ())
            if len(spans) != len(labels):
                raise ValueError(f'{image}: gt_tokens_positive has {len(spans)} entries for {len(labels)} boxes')
            sets = [_phrases(box_spans, text) for box_spans in spans]
        elif isinstance(text, (list, tuple)) and text:
            if len(labels) and labels.max() >= len(text):
                raise ValueError(f'{image} has a box of class {labels.max()}, and there are {len(text)} class names')
            sets = [(text[label], ) for label in labels]
        else:
            raise ValueError(f'{image}: LoadTexts needs `text`, a caption or the names of the classes, got {text!r}; a '
                             'COCO data set gives them with return_classes=True')
        results['gt_bboxes_labels'] = np.array([_number_of(texts) for texts in sets], np.int64)
        results['texts_loaded'] = True
        return results


@TRANSFORMS.register_module()
class PackTextInputs(PackDetInputs):
    """mmdet's `PackDetInputs`; behind `LoadTexts` a sample has its texts as `text`, a list of at most `num_texts`, and
    `gt_instances.text_targets` (N, K), bool: which of them name each box. `labels` are the first of them.

    Of class names all are taken, in their order, or if there are more than `num_texts` those of the image and others at
    random. Of captions the phrases of the boxes are taken, and others at random from `vocabulary`; without one the
    sample has `borrows_texts`, by which `TextYOLOv9` takes negatives from other images of the batch. Without
    `LoadTexts`, as in evaluation, `text` stays what the data set gives.

    Args:
        num_texts: Most texts of an image.
        vocabulary: Texts, or a file with one in each line, that name nothing in an image unless they are one of its
            phrases: only for captions that name all that is there.
        meta_keys: Entries of the results that become metainfo if they exist.

    Raises:
        ValueError: For a wrong argument.
    """

    def __init__(self, num_texts: int = 80, vocabulary: Sequence[str] | str | None = None,
                 meta_keys: Sequence[str] = (*META_KEYS, 'pad_param')) -> None:
        if num_texts < 1:
            raise ValueError(f'num_texts should be at least 1, got {num_texts}')
        super().__init__(meta_keys=(*meta_keys, *(key for key in ('text', 'borrows_texts') if key not in meta_keys)))
        self.num_texts = num_texts
        self.vocabulary = None if vocabulary is None else _vocabulary(vocabulary)

    def transform(self, results: dict) -> dict:
        if not results.pop('texts_loaded', False):
            return super().transform(results)
        sets = [_TEXT_SETS[number] for number in results['gt_bboxes_labels']]
        named = list(dict.fromkeys(text for texts in sets for text in texts))
        known = self.vocabulary if isinstance(results['text'], str) else tuple(results['text'])
        results['borrows_texts'] = known is None
        texts = self._choose(named, known or ())
        column_of = {text: number for number, text in enumerate(texts)}
        targets = np.zeros((len(sets), len(texts)), bool)
        for row, box_texts in zip(targets, sets):
            row[[column_of[text] for text in box_texts if text in column_of]] = True
        results.update(text=texts, gt_bboxes_labels=targets.argmax(axis=1) if len(texts) else targets.sum(axis=1))
        packed = super().transform(results)
        kept = results.get('gt_ignore_flags', np.zeros(len(sets), bool)) == 0
        packed['data_samples'].gt_instances.text_targets = torch.from_numpy(targets[kept])
        return packed

    def _choose(self, named: list[str], known: TextSet) -> TextSet:
        """The texts of an image from those that name its boxes and those that are known."""
        if len(known) <= self.num_texts and set(named) <= set(known):
            return known
        if len(named) >= self.num_texts:
            return tuple(_some(named, self.num_texts))
        others = [text for text in known if text not in set(named)]
        return *named, *_some(others, self.num_texts - len(named))


def _some(texts: Sequence[str], count: int) -> list[str]:
    """At most `count` of the texts, at random."""
    return [texts[i] for i in np.random.permutation(len(texts))[:count]]


def _number_of(texts: TextSet) -> int:
    if texts not in _NUMBERS:
        _NUMBERS[texts] = len(_TEXT_SETS)
        _TEXT_SETS.append(texts)
    return _NUMBERS[texts]


def _phrases(spans: Sequence[Sequence[int]], caption: str) -> TextSet:
    """Each span is a phrase; those of nothing but spaces are left out."""
    return tuple(dict.fromkeys(words for span in spans if (words := phrase_text([span], caption).strip())))


def _vocabulary(given: Sequence[str] | str) -> TextSet:
    if isinstance(given, str):
        if not Path(given).is_file():
            raise ValueError(f'vocabulary={given}: there is no such file (seen from {Path.cwd()})')
        given = [line.strip() for line in Path(given).read_text('utf-8').splitlines() if line.strip()]
    if not given or not all(isinstance(text, str) and text.strip() for text in given):
        raise ValueError(f'vocabulary should be texts, or a file with one in each line, got {given!r}')
    return tuple(dict.fromkeys(given))
