"""Evaluate an exported file, or any predictor, on a config's data set with the config's metrics."""
import copy
import logging
from pathlib import Path

from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from torch.utils.data import DataLoader
from tqdm import tqdm

from ..command_line import wrong_config
from ..predict import Predictor, Prepared
from .predictor import ExportedPredictor


def evaluate_exported(cfg: Config, predictor: Predictor, split: str = 'val', *,
                      progress: bool = True, quiet: bool = False) -> dict[str, float]:
    """The metrics of a predictor on a data set.

    Images are prepared by the data set's pipeline in the config. For a file of a fixed size this must be the one that
    it was exported with (`DetectorGraph.adapt`); `adapted` finds it from the file.

    Args:
        cfg: With `SPLIT_dataloader` and `SPLIT_evaluator`; not changed.
        predictor: An `ExportedPredictor`, or a `Predictor` for what the detector itself gets.
        split: 'val' or 'test'.
        progress: Whether to show a progress bar.
        quiet: Whether the metric logs warnings alone.

    Raises:
        ValueError: The config has no such data set, or a wrong value in it.
    """
    missing = [key for key in (f'{split}_dataloader', f'{split}_evaluator') if not cfg.get(key)]
    if missing:
        raise ValueError(f'{cfg.filename}: {missing[0]} is missing, so there is nothing to evaluate on')
    with wrong_config(str(cfg.filename)):
        loader = Runner.build_dataloader(copy.deepcopy(cfg[f'{split}_dataloader']))
        evaluator = Evaluator(copy.deepcopy(cfg[f'{split}_evaluator']))
    evaluator.dataset_meta = loader.dataset.metainfo
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.WARNING if quiet else level)  # the table of classes
    try:
        return _evaluate(loader, evaluator, predictor, f'evaluate on {split}', progress)
    finally:
        logger.setLevel(level)


def _evaluate(loader: DataLoader, evaluator: Evaluator, predictor: Predictor, title: str,
              progress: bool) -> dict[str, float]:
    for batch in tqdm(loader, desc=title, unit=' batches', disable=not progress):
        prepared = [Prepared(*pair) for pair in zip(batch['inputs'], batch['data_samples'], strict=True)]
        samples = predictor.infer(*predictor.collate(prepared))
        evaluator.process(data_samples=samples, data_batch=batch)
    return evaluator.evaluate(len(loader.dataset))


def with_pipeline_of(cfg: Config, predictor: ExportedPredictor) -> Config:
    """The config whose data sets have the pipeline in a file's metadata, with the config's reading of annotations.

    For a file of a dynamic size, batch shapes stay and get the size that the file's pipeline scales to.
    """
    cfg = copy.deepcopy(cfg)
    steps = [dict(step) for step in predictor.metadata.pipeline]
    sizes = [step['size'] for step in steps if step['type'] == 'YOLOResize']
    for dataset in evaluated_data_sets(cfg).values():
        loading = [step for step in dataset.pipeline if step['type'] == 'LoadAnnotations']
        dataset.pipeline = [*steps[:-1], *loading, steps[-1]]
        if dataset.get('batch_shapes') and predictor.metadata.image_size is None and sizes:
            dataset.batch_shapes.size = sizes[0]
        else:
            dataset.pop('batch_shapes', None)
    return cfg


def evaluated_data_sets(cfg: Config) -> dict[str, dict]:
    """The data sets with a pipeline that a config validates and tests on, by the name of their dataloader."""
    datasets = {}
    for name in ('val_dataloader', 'test_dataloader'):
        dataset = cfg.get(name, {}).get('dataset')
        while dataset is not None and 'pipeline' not in dataset:
            dataset = dataset.get('dataset')
        if dataset is not None:
            datasets[name] = dataset
    return datasets


def evaluate_file(cfg: Config, file: str | Path) -> dict[str, float]:
    """Evaluate an exported file on the test set of a config, and print the metrics."""
    predictor = ExportedPredictor(file)
    metrics = evaluate_exported(with_pipeline_of(cfg, predictor), predictor, 'test')
    print(', '.join(f'{name} {value:.4f}' for name, value in metrics.items()))
    return metrics
