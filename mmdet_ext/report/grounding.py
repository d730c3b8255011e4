"""How well phrases of captions are found: recall by kind of phrase, and the captions with the most misses."""
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmdet.registry import METRICS, VISUALIZERS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.structures import InstanceData

from ..evaluation.phrase_grounding_metric import PhraseGroundingMetric
from ..evaluation.phrase_recall import recall
from ..text.spans import phrase_text
from ..visualization.images import read_image
from .collect import Evaluation
from .section import Figure, Section, Table

WORST = 8  # captions
THRESHOLD = 0.3  # of boxes that are drawn; the best one of a caption is always
LONG = 4  # words of a phrase that counts as long


class _Phrase(NamedTuple):
    """A phrase of the ground truth: text, kinds, and whether one of the first k boxes is right, for each k."""
    text: str
    kinds: tuple[str, ...]
    hits: list[bool]


def is_grounding(cfg: Config, split: str) -> bool:
    """Whether a data set of the config is evaluated by recall of phrases."""
    return _metric_cfg(cfg, split) is not None


def grounding_section(cfg: Config, evaluation: Evaluation, split: str, folder: Path) -> Section:
    """Recall by kind of phrase, and the worst captions with their images, which are drawn into `folder`."""
    metric: PhraseGroundingMetric = METRICS.build(_metric_cfg(cfg, split))
    infos = {info['img_id']: info for info in map(evaluation.dataset.get_data_info, range(len(evaluation.dataset)))}
    phrases: dict[int, list[_Phrase]] = {}
    for number, sample in enumerate(evaluation.samples):
        targets, hits = metric.phrases_of(sample)
        info = infos[sample['img_id']]
        spans = info.get('tokens_positive_eval') or [()] * len(targets)
        texts = [phrase_text(span, info['text']) if span else '' for span in spans]
        phrases[number] = [_Phrase(text, (*target.types, *_kinds(text, len(target.boxes))), hit)
                           for text, target, hit in zip(texts, targets, hits)]
    rows = [(phrase.kinds, phrase.hits) for of_caption in phrases.values() for phrase in of_caption]
    if not rows:
        return Section('grounding', 'Phrases', 'No caption of this data set has a phrase with a box.')
    worst = sorted((number for number, of_caption in phrases.items() if of_caption),
                   key=lambda number: (_share(phrases[number]), -len(phrases[number])))[:WORST]
    figures = [_draw(cfg, evaluation.samples[number], infos[evaluation.samples[number]['img_id']], phrases[number],
                     folder / f'caption_{rank}.png') for rank, number in enumerate(worst, 1)]
    text = (f'A phrase is found at k if one of the k boxes that score highest for it has an IoU of at least '
            f'{metric.iou_thr} with a box of the truth. The upper bound counts all boxes. The {len(worst)} captions '
            'with the smallest share of phrases found at 1 are shown, the truth on the left and the predictions on '
            'the right; a phrase has one colour in the caption and for its boxes.')
    return Section('grounding', 'Phrases', text, figures, [_table(rows, metric.topk), _missed(phrases)])


def _metric_cfg(cfg: Config, split: str) -> Mapping | None:
    evaluators = cfg.get(f'{split}_evaluator') or ()
    evaluators = [evaluators] if isinstance(evaluators, Mapping) else evaluators
    return next((metric for metric in evaluators if metric.get('type') == 'PhraseGroundingMetric'), None)


def _kinds(text: str, num_boxes: int) -> list[str]:
    kinds = ['one box' if num_boxes == 1 else 'several boxes']
    if text:
        kinds.append(f'under {LONG} words' if len(text.split()) < LONG else f'{LONG} words and more')
    return kinds


def _share(phrases: Sequence[_Phrase]) -> float:
    return sum(phrase.hits[0] for phrase in phrases) / len(phrases)


def _table(rows: list[tuple[tuple[str, ...], list[bool]]], topk: Sequence[int]) -> Table:
    """Recall of all phrases and of each kind."""
    figures = recall(rows, topk)
    counts = Counter(kind for kinds, _ in rows for kind in kinds) | Counter(all=len(rows))
    names = [*(f'recall@{k}' for k in topk), 'upper_bound']
    kinds = ['all', *sorted(counts.keys() - {'all'}, key=lambda kind: -counts[kind])]
    return Table('Recall by kind of phrase', ('kind', 'phrases', *(name.replace('_', ' ') for name in names)),
                 [[kind, counts[kind], *(figures[f'{name}_{kind}'] for name in names)] for kind in kinds])


def _missed(phrases: Mapping[int, list[_Phrase]]) -> Table:
    """The phrases that are missed most often."""
    hits = defaultdict(list)
    for phrase in (phrase for of_caption in phrases.values() for phrase in of_caption):
        hits[phrase.text].append(phrase.hits[0])
    often = sorted(hits, key=lambda text: (sum(hits[text]) - len(hits[text]), text))[:20]
    return Table('Phrases that are missed most often', ('phrase', 'times in the data', 'found at 1', 'missed'),
                 [[text, len(hits[text]), sum(hits[text]), len(hits[text]) - sum(hits[text])] for text in often])


def _draw(cfg: Config, sample: Mapping[str, Any], info: Mapping[str, Any], phrases: Sequence[_Phrase],
          path: Path) -> Figure:
    options = cfg.get('visualizer') or {}
    fonts = dict(font_families=options['font_families']) if 'font_families' in options else {}
    visualizer = VISUALIZERS.build(dict(type='GroundingVisualizer', name=str(path), **fonts))
    drawn = DetDataSample(metainfo=dict(text=info['text']))
    drawn.gt_instances = InstanceData(
        bboxes=torch.tensor(np.array([row['bbox'] for row in info['instances']]).reshape(-1, 4), dtype=torch.float),
        tokens_positive=info['gt_tokens_positive'])
    drawn.pred_instances = InstanceData(**{key: sample['pred_instances'][key] for key in ('bboxes', 'scores', 'spans')
                                           if key in sample['pred_instances']})
    scores = drawn.pred_instances.scores
    threshold = min(THRESHOLD, float(scores.max()) - 1e-6) if len(scores) else THRESHOLD
    visualizer.add_datasample('caption', read_image(info['img_path']), drawn, pred_score_thr=threshold,
                              out_file=str(path))
    missed = [phrase.text for phrase in phrases if not phrase.hits[0]]
    return Figure(path, info['text'], f'{len(phrases) - len(missed)} of {len(phrases)} phrases are found at 1' +
                  (f'; missed: {", ".join(missed)}.' if any(missed) else '.'))
