"""mmdet's `CocoMetric`, but without writing detections to a json file and reading it again."""
import os
from collections.abc import Sequence
from math import isnan
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from mmdet.datasets.api_wrappers import COCO
from mmdet.evaluation import CocoMetric
from mmdet.registry import METRICS
from mmengine.fileio import dump
from mmengine.logging import MMLogger
from tabulate import tabulate

from ..annotations.annotation_file import check_masks, match_categories, read_coco
from ..annotations.annotation_json import paused_collector
from .coco_figures import AREAS, CocoFigures, coco_figures, indexed

AP_ITEMS = ('mAP', 'mAP_50', 'mAP_75', 'mAP_s', 'mAP_m', 'mAP_l')
AR_ITEMS = ('AR@100', 'AR@300', 'AR@1000', 'AR_s@1000', 'AR_m@1000', 'AR_l@1000')
_INDICES = {item: index for index, item in enumerate(AP_ITEMS + AR_ITEMS)}


def defined(figure: float) -> float:
    """A value of `CocoFigures`, or NaN if it is -1, by which pycocotools says that there is no ground truth."""
    return float('nan') if figure == -1 else float(figure)


@METRICS.register_module()
class FastCocoMetric(CocoMetric):
    """mmdet's `CocoMetric` with the same options and results, in a fraction of the time.

    Detections go directly to the evaluator, whereas mmdet writes them to a json file and reads it again; the evaluator
    is faster-coco-eval where that is installed. `use_mp_eval` is ignored. A model that detects nothing gets results of
    0 instead of no results. A result that the annotations do not define, such as the AP of small objects if there are
    none, is NaN with one warning, and `save_best` never chooses it; mmdet gives -1.

    The file is checked as by `CheckedCocoDataset`, and as there `area` and `iscrowd` may be absent and annotations
    marked as `ignore` do not count.

    Args:
        ann_file: COCO annotation file. None: the annotations of the data samples are used.
        proposal_nums: Three limits for the number of detections per image and class. 'mAP' is computed at 100; all
            other AP, and AR by size, are computed at the largest.
        sort_categories: Whether classes are numbered in the order of the category ids, not of the file.

    Raises:
        ValueError: If there are not three `proposal_nums`, or 100 is not among them although 'mAP' is to be computed;
            for unknown `metric_items`, a broken file, or classes that the file does not have.
    """

    def __init__(self, ann_file: str | None = None, *args: Any, proposal_nums: Sequence[int] = (100, 300, 1000),
                 sort_categories: bool = False, **kwargs: Any) -> None:
        super().__init__(None, *args, proposal_nums=proposal_nums, **kwargs)
        self.ann_file = ann_file
        self._undefined: set[str] = set()
        if len(self.proposal_nums) != 3:
            raise ValueError(f'proposal_nums should be three numbers of detections, got {self.proposal_nums}')
        if unknown := set(self.metric_items or ()) - _INDICES.keys():
            raise ValueError(f'metric_items should be among {list(_INDICES)}, got {sorted(unknown)}')
        if 100 not in self.proposal_nums and any('mAP' in self._items(metric) for metric in self.metrics):
            raise ValueError(f'proposal_nums should have 100, the number of detections that mAP is computed at, got '
                             f"{self.proposal_nums}; metric_items without 'mAP' need none")
        if ann_file is not None:
            content = read_coco(ann_file, self.backend_args)
            if 'segm' in self.metrics:
                check_masks(content, ann_file, needed=True)
            if sort_categories:
                content['categories'].sort(key=lambda category: category['id'])
            self._coco_api = indexed(content)

    @property
    def dataset_meta(self) -> dict | None:
        """Metainfo of the data set; its classes are compared with the file's as soon as it is given."""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict) -> None:
        self._dataset_meta = dataset_meta
        if self.ann_file is not None and dataset_meta and 'classes' in dataset_meta:
            self.cat_ids = match_categories(self._coco_api.dataset['categories'], dataset_meta['classes'],
                                            self.ann_file)

    def compute_metrics(self, results: list[tuple[dict, dict]]) -> dict[str, float]:
        with paused_collector():
            return self._compute_metrics(results, MMLogger.get_current_instance())

    def _compute_metrics(self, results: list[tuple[dict, dict]], logger: MMLogger) -> dict[str, float]:
        if not results:
            raise ValueError(f'there are no predictions to evaluate on {self.ann_file}: the data set is empty')
        truths, predictions = zip(*results)
        self._find_truth(truths)
        kinds = ['segm' if metric == 'segm' else 'bbox' for metric in self.metrics]
        if 'segm' in kinds and 'masks' not in predictions[0]:
            raise ValueError("metric has 'segm', and the predictions have no masks")
        if self.outfile_prefix is not None:
            self.results2json(predictions, self.outfile_prefix)
        if self.format_only:
            logger.info(f'results are saved in {os.path.dirname(self.outfile_prefix)}')
            return {}
        metrics = {}
        for metric, kind in zip(self.metrics, kinds):
            if metric == 'proposal_fast':
                recalls = self.fast_eval_recall(predictions, self.proposal_nums, self.iou_thrs, logger=logger)
                metrics |= {f'AR@{number}': recall for number, recall in zip(self.proposal_nums, recalls)}
                continue
            figures = self._figures(self.detections(predictions, kind), kind, by_class=metric != 'proposal')
            logger.info(f'{metric}:\n{self._table(figures.stats)}')
            if self.classwise and metric != 'proposal':
                metrics |= self._class_figures(figures.precision, logger)
            values = {item: round(defined(figures.stats[_INDICES[item]]), 3) for item in self._items(metric)}
            metrics |= values if metric == 'proposal' else {f'{metric}_{item}': v for item, v in values.items()}
        self._warn_of_undefined(metrics, logger)
        return metrics

    def _items(self, metric: str) -> Sequence[str]:
        """What is computed for one of `metrics`."""
        if metric == 'proposal_fast':
            return ()
        return self.metric_items or (AR_ITEMS if metric == 'proposal' else AP_ITEMS)

    def _warn_of_undefined(self, metrics: dict[str, float], logger: MMLogger) -> None:
        names = {name for name, value in metrics.items() if isnan(value) and not name.endswith('_precision')}
        if names - self._undefined:
            logger.warning(f'Not defined (nan): {", ".join(sorted(names))}. {self.ann_file or "The data set"} has no '
                           'objects that they count, or iou_thrs lacks their threshold. save_best does not use them.')
        self._undefined |= names

    def detections(self, predictions: Sequence[dict], kind: str) -> list[dict]:
        """Rows of COCO's format: with 'bbox' (x, y, w, h) in pixels or, for 'segm', with 'segmentation' as RLE."""
        rows = []
        for result in predictions:
            scores = result['scores'] if kind == 'bbox' else result.get('mask_scores', result['scores'])
            if kind == 'bbox':
                boxes = result['bboxes'].astype(np.float64).reshape(-1, 4)
                boxes[:, 2:] -= boxes[:, :2]
                key, shapes = 'bbox', self.rounded_boxes(boxes).tolist()
            else:
                key, shapes = 'segmentation', result['masks']
            rows += [{'image_id': result['img_id'], key: shape, 'score': score, 'category_id': self.cat_ids[label]}
                     for shape, score, label in zip(shapes, self.rounded_scores(scores.astype(np.float64)).tolist(),
                                                    result['labels'].tolist(), strict=True)]
        return rows

    def rounded_boxes(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes (N, 4) float64 as (x, y, w, h) that are evaluated; unchanged here, for subclasses to round."""
        return boxes

    def rounded_scores(self, scores: np.ndarray) -> np.ndarray:
        """Scores (N,) float64 that are evaluated; unchanged here, for subclasses to round."""
        return scores

    def results2json(self, results: Sequence[dict], outfile_prefix: str) -> dict[str, str]:
        files = {'bbox': f'{outfile_prefix}.bbox.json', 'proposal': f'{outfile_prefix}.bbox.json'}
        boxes = self.detections(results, 'bbox')
        dump(boxes, files['bbox'])
        if 'masks' in results[0]:
            files['segm'] = f'{outfile_prefix}.segm.json'
            masks = self.detections(results, 'segm')
            for row, box_row in zip(masks, boxes, strict=True):
                code = row['segmentation']
                text = code['counts'].decode() if isinstance(code['counts'], bytes) else code['counts']
                row.update(bbox=box_row['bbox'], segmentation=dict(code, counts=text))
            dump(masks, files['segm'])
        return files

    def _find_truth(self, truths: Sequence[dict]) -> None:
        if self._coco_api is None:
            with TemporaryDirectory() as folder:
                self._coco_api = COCO(self.gt_to_coco_json(truths, self.outfile_prefix or f'{folder}/results'))
        if self.cat_ids is None:
            self.cat_ids = self._coco_api.get_cat_ids(cat_names=self.dataset_meta['classes'])
        if self.img_ids is None:
            self.img_ids = self._coco_api.get_img_ids()

    def _figures(self, rows: list[dict], kind: str, by_class: bool) -> CocoFigures:
        return coco_figures(self._coco_api, rows, kind, cat_ids=self.cat_ids, max_dets=self.proposal_nums,
                            iou_thrs=np.atleast_1d(self.iou_thrs), by_class=by_class)

    def _table(self, stats: np.ndarray) -> str:
        values = [f'{defined(value):.3f}' for value in stats]
        rows = [['AP', *values[:6]], ['AR', *values[6:]]]
        heads = [['', 'all', 'IoU 0.5', 'IoU 0.75', *AREAS[1:]],
                 ['', *(f'{number} detections' for number in sorted(self.proposal_nums)), *AREAS[1:]]]
        return '\n'.join(_outlined([row], head) for head, row in zip(heads, rows))

    def _class_figures(self, precision: np.ndarray, logger: MMLogger) -> dict[str, float]:
        """AP of each class, and a table of all of them; NaN where a class has no objects."""

        def mean(values: np.ndarray) -> float:
            values = values[values > -1]
            return round(values.mean(), 3) if values.size else float('nan')

        rows, metrics = [], {}
        for cat_id in self.cat_ids:
            of_class = precision[:, :, sorted(self.cat_ids).index(cat_id), :, -1]  # (thresholds, recalls, areas)
            values = [mean(of_class[..., 0]), *(mean(of_class[index, :, 0]) for index in (0, 5)),
                      *(mean(of_class[..., area]) for area in (1, 2, 3))]
            name = self._coco_api.cats[cat_id]['name']
            rows.append([name, *map(str, values)])
            metrics[f'{name}_precision'] = values[0]
        logger.info('\n' + _outlined(rows, ['category', *AP_ITEMS]))
        return metrics


def _outlined(rows: list[list[str]], head: list[str]) -> str:
    return tabulate(rows, head, tablefmt='outline', disable_numparse=True)
