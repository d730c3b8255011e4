"""Evaluate a checkpoint, and keep its predictions beside the ground truth."""
import copy
import pickle
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.datasets import BaseDetDataset
from mmdet.evaluation import DumpDetResults
from mmdet.registry import DATASETS, RUNNERS
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from tqdm import tqdm

import mmdet_ext.compat.apply  # noqa: F401  how files are read

from .. import launch
from ..checkpoints.file_policy import follow_policy
from ..command_line import wrong_config
from ..files import replace_file
from ..fingerprints import digest, digest_file
from .results import DetectionResults, ImageResult


@dataclass(frozen=True)
class Evaluation:
    """What a checkpoint gives on a data set.

    Attributes:
        metrics: The figures of the config's evaluator by name; empty if they are not known.
        samples: The predictions of each image as mmdet's `DumpDetResults` keeps them: dicts with `pred_instances`,
            `img_id`, `img_path` and `ori_shape`.
        dataset: The data set, with its ground truth.
    """
    metrics: dict[str, float]
    samples: Sequence[dict[str, Any]]
    dataset: BaseDataset


class _Keep(DumpDetResults):
    """Keeps the predictions, and moves a bar."""
    default_prefix = 'kept'

    def __init__(self, total: int) -> None:
        super().__init__(out_file_path='unused.pkl')
        self.samples: list[dict[str, Any]] = []
        self.bar = tqdm(total=total, unit='image', desc='evaluation', file=sys.stdout, disable=None)

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        super().process(data_batch, [dict(sample) for sample in data_samples])  # it takes the truth out of them
        self.bar.update(len(data_samples))

    def compute_metrics(self, results: list) -> dict[str, float]:
        self.samples = results
        self.bar.close()
        return {}


def collect_results(cfg: Config, checkpoint: Path, split: str = 'val', cache: Path | None = None) -> DetectionResults:
    """Ground truth and predictions of a detector on the images of its 'val' or 'test' data set; see `evaluate`."""
    return detection_results(evaluate(cfg, checkpoint, split, cache))


def evaluate(cfg: Config, checkpoint: Path, split: str = 'val', cache: Path | None = None) -> Evaluation:
    """Evaluate a checkpoint of any detector of mmdet as its config says, with a bar of the progress.

    Args:
        cfg: The config, which is not changed.
        checkpoint: The file.
        split: 'val' or 'test'.
        cache: Folder in which the result is kept: the same checkpoint, network and data set are not evaluated twice.

    Raises:
        OSError: A file is missing.
        ValueError: The config has no such data set or is wrong, or the checkpoint does not fit it.
    """
    cfg = _for_test(cfg, split)
    parts = (cfg.model, cfg.test_dataloader.dataset, cfg.test_evaluator)
    key = digest([digest_file(checkpoint), *(str(part) for part in parts)])[:16]
    kept = cache and cache / f'{split}-{key}.pkl'
    if kept and kept.is_file():
        content = pickle.loads(kept.read_bytes())
        return Evaluation(content['metrics'], content['samples'], _dataset(cfg))
    cfg.load_from = str(checkpoint)
    with tempfile.TemporaryDirectory() as folder, wrong_config(cfg.filename or 'the config'), \
            launch.named_data_workers():
        cfg.work_dir = folder
        runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
        launch.add_threads_hook(runner)
        follow_policy(runner.model)
        dataset = runner.test_dataloader.dataset
        keep = _Keep(len(dataset))
        runner.test_evaluator.metrics.append(keep)
        metrics = {name: float(value) for name, value in runner.test().items() if np.ndim(value) == 0}
    if kept:
        cache.mkdir(parents=True, exist_ok=True)
        with replace_file(kept) as file:
            pickle.dump(dict(metrics=metrics, samples=keep.samples), file)
    return Evaluation(metrics, keep.samples, dataset)


def read_predictions(cfg: Config, path: Path, split: str = 'test') -> Evaluation:
    """The predictions that ``tools/test.py --out FILE.pkl`` wrote. A pickle can run code: open your own only.

    Raises:
        ValueError: The file holds something else.
    """
    try:
        samples = pickle.loads(path.read_bytes())
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, LookupError, ValueError, TypeError) as error:
        raise ValueError(f'{path} is no pickle that tools/test.py --out wrote: {error}') from error
    if not isinstance(samples, list) or not all(isinstance(sample, dict) and 'img_id' in sample for sample in samples):
        raise ValueError(f'{path} does not hold predictions as tools/test.py --out writes them')
    return Evaluation({}, samples, _dataset(_for_test(cfg, split)))


def detection_results(evaluation: Evaluation) -> DetectionResults:
    """The boxes of an evaluation.

    Raises:
        ValueError: There is an image that the data set does not have, or the predictions have no boxes with labels.
    """
    dataset = evaluation.dataset
    truth = {info['img_id']: info for info in map(dataset.get_data_info, range(len(dataset)))}
    images = []
    for sample in evaluation.samples:
        if sample['img_id'] not in truth:
            raise ValueError(f'the data set has no image {sample["img_id"]!r}, for which there are predictions')
        if missing := [key for key in ('bboxes', 'scores', 'labels') if key not in sample.get('pred_instances', ())]:
            raise ValueError(f'the predictions of image {sample["img_id"]!r} have no {", ".join(missing)}')
        images.append(_image_result(sample, truth[sample['img_id']]))
    return DetectionResults(tuple(dataset.metainfo['classes']), images)


def _image_result(sample: dict[str, Any], info: dict[str, Any]) -> ImageResult:
    instances = info.get('instances', ())
    predicted = {key: torch.as_tensor(sample['pred_instances'][key]).numpy() for key in ('bboxes', 'scores', 'labels')}
    order = np.argsort(-predicted['scores'], kind='stable')
    return ImageResult(
        path=str(info['img_path']),
        shape=tuple(sample.get('ori_shape') or (info['height'], info['width']))[:2],
        true_boxes=np.array([row['bbox'] for row in instances], dtype=np.float32).reshape(-1, 4),
        true_labels=np.array([row['bbox_label'] for row in instances], dtype=np.int64),
        ignored=np.array([row.get('ignore_flag', 0) for row in instances], dtype=bool),
        boxes=predicted['bboxes'][order].astype(np.float32).reshape(-1, 4),
        scores=predicted['scores'][order].astype(np.float32),
        labels=predicted['labels'][order].astype(np.int64))


def _for_test(cfg: Config, split: str) -> Config:
    """The config for a quiet test on one of its data sets, which leaves nothing behind."""
    cfg = copy.deepcopy(cfg)
    init_default_scope(cfg.get('default_scope') or 'mmdet')
    for part in ('dataloader', 'evaluator'):
        if not cfg.get(f'{split}_{part}'):
            raise ValueError(f'{cfg.filename}: there is no {split}_{part}, so there is nothing to evaluate')
        cfg[f'test_{part}'] = cfg[f'{split}_{part}']
    test_cfg = cfg.get('test_cfg') if split == 'test' else {}
    cfg.test_cfg = test_cfg or dict(type='TestLoop')
    for name in ('train', 'val'):
        for part in ('dataloader', 'cfg', 'evaluator'):
            cfg[f'{name}_{part}'] = None
    cfg.optim_wrapper = cfg.param_scheduler = None
    cfg.auto_scale_lr = None
    cfg.resume = False
    cfg.launcher = 'none'
    cfg.log_level = 'WARNING'
    cfg.visualizer = dict(type='Visualizer', vis_backends=None)
    launch.use_checked_data_sets(cfg)
    launch.drop_hooks(cfg)
    return cfg


def _dataset(cfg: Config) -> BaseDetDataset:
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    dataset.full_init()
    return dataset
