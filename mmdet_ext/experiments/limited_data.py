"""A config whose evaluation takes the first images of its data set only, for a quick look."""
import copy
import json
from pathlib import Path

from mmengine.config import Config

from ..files import replace_file


def limited(cfg: Config, split: str, count: int, folder: Path) -> Config:
    """A copy of a config that evaluates on the first `count` images of a data set in COCO's format.

    Their annotations are written to `folder`, and both data set and metrics read them there.

    Raises:
        ValueError: The data set has no annotation file.
    """
    cfg = copy.deepcopy(cfg)
    dataset = cfg[f'{split}_dataloader'].dataset
    while 'ann_file' not in dataset and 'dataset' in dataset:
        dataset = dataset.dataset
    if not dataset.get('ann_file'):
        raise ValueError(f'{cfg.filename}: {split}_dataloader.dataset has no ann_file, of which a part could be taken')
    source = Path(dataset.get('data_root') or '', dataset.ann_file)
    content = json.loads(source.read_bytes())
    content['images'] = content['images'][:count]
    kept = {image['id'] for image in content['images']}
    content['annotations'] = [row for row in content['annotations'] if row['image_id'] in kept]
    part = folder.resolve() / f'{source.stem}_{len(kept)}.json'
    folder.mkdir(parents=True, exist_ok=True)
    with replace_file(part) as file:
        file.write(json.dumps(content).encode())
    dataset.ann_file = str(part)
    evaluators = cfg[f'{split}_evaluator']
    for evaluator in evaluators if isinstance(evaluators, list) else [evaluators]:
        if 'ann_file' in evaluator:
            evaluator.ann_file = str(part)
    return cfg
