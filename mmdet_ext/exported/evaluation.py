"""Evaluate an exported file, or any predictor, on a config's data set with the config's metrics."""
import copy

from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.runner import Runner
from tqdm import tqdm

from ..command_line import wrong_config
from ..predict import Predictor, Prepared


def evaluate_exported(cfg: Config, predictor: Predictor, split: str = 'val', *,
                      progress: bool = True) -> dict[str, float]:
    """The metrics of a predictor on a data set.

    Images are prepared by the data set's pipeline in the config. For a file of a fixed size this must be the one that
    it was exported with (`DetectorGraph.adapt`); `adapted` finds it from the file.

    Args:
        cfg: With `SPLIT_dataloader` and `SPLIT_evaluator`; not changed.
        predictor: An `ExportedPredictor`, or a `Predictor` for what the detector itself gets.
        split: 'val' or 'test'.
        progress: Whether to show a progress bar.

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
    for batch in tqdm(loader, desc=f'evaluate on {split}', unit=' batches', disable=not progress):
        prepared = [Prepared(*pair) for pair in zip(batch['inputs'], batch['data_samples'], strict=True)]
        samples = predictor.infer(*predictor.collate(prepared))
        evaluator.process(data_samples=samples, data_batch=batch)
    return evaluator.evaluate(len(loader.dataset))
