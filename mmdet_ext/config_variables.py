"""Top-level keys of a config that each stand for many values: `image_size`, `classes`, and the file of truth.

    image_size = 320             # every size in the pipelines, see `config_sizes.SIZES`
    classes = ('cat', 'dog')     # names of all data sets and `num_classes` of all heads

A metric without `ann_file` gets that of the data set. `pipelines_image_size` is the size that a config's pipelines are
written for; a config that writes its pipelines anew for another size, and leaves both keys as they are, keeps them.

`compat.apply` calls `apply_variables` wherever mmengine reads a config that imports this package.
"""
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config
from mmengine.fileio import join_path
from mmengine.utils import is_abs

from .config_sizes import SQUARE, STRIDE, dicts_in, image_size_of, type_name, with_sizes_scaled

SPLITS = ('train', 'val', 'test')
CAPTION_SETS = {'MDETRDataset', 'ClevrDataset', 'GQADataset'}  # their boxes have phrases in the place of classes
# Metric: types of data sets whose annotation file it reads too.
_COCO = {'CocoDataset', 'CheckedCocoDataset', 'YOLOCocoDataset'}
TRUTHS = dict(FastCocoMetric=_COCO, YOLOCocoMetric=_COCO, AgnosticCocoMetric=CAPTION_SETS,
              PhraseGroundingMetric=CAPTION_SETS, ReferringMetric=CAPTION_SETS, ClevrMetric=CAPTION_SETS,
              GQAMetric=CAPTION_SETS, LVISFixedAPMetric={'LVISV1Dataset'})
Truths = dict[tuple[str, int], str]


def apply_variables(cfg: Config, earlier: Truths | None = None, *, always: bool = False,
                    with_classes: bool = True) -> None:
    """Write `image_size`, `classes` and the files of truth to all places of a config that they stand for.

    A config without the keys, or whose values agree already, is not changed; applying twice changes nothing more.

    Args:
        cfg: Config. Unless `always`, one that does not import this package (`custom_imports`) is left alone.
        earlier: `truth_files` before options were merged into the config: these metrics follow their data set.
        always: Whether to change a config that does not import this package.
        with_classes: Whether to apply `classes`.

    Raises:
        ValueError: For a size that is no positive whole number, or no multiple of 32 where YOLO needs it, and for
            classes that are no distinct names; names the key and the value.
    """
    imports = (cfg.get('custom_imports') or {}).get('imports') or ()
    imports = [imports] if isinstance(imports, str) else imports
    if not (always or any(module.split('.')[0] == __package__ for module in imports)):
        return
    _apply_image_size(cfg)
    if with_classes:
        _apply_classes(cfg)
    _fill_ann_files(cfg, earlier or {})


def truth_files(cfg: Config) -> Truths:
    """Annotation file of each metric that reads that of its data set, by split and number of the metric."""
    return {key: file for key, metric, file in _metrics(cfg) if metric.get('ann_file') == file}


def _apply_image_size(cfg: Config) -> None:
    size, written = cfg.get('image_size'), cfg.get('pipelines_image_size')
    if size is None or (written is None and isinstance(size, (list, tuple))):  # a variable of mmdet's configs
        return
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise ValueError(f'image_size should be a whole number of pixels, got {size!r}: images keep their aspect ratio')
    present = image_size_of(cfg.get('test_dataloader')) or image_size_of(cfg.get('val_dataloader')) or written
    if present in (None, size) or size == written:
        return
    if size % STRIDE and any(type_name(node) in SQUARE for node in dicts_in(cfg.get('test_dataloader'))):
        raise ValueError(f'image_size should be a multiple of {STRIDE}, the coarsest stride of the model, got {size}: '
                         f'the next are {size // STRIDE * STRIDE or STRIDE} and {(size // STRIDE + 1) * STRIDE}')
    for key, value in dict.items(cfg._cfg_dict):
        if isinstance(value, (dict, list, tuple)):
            cfg[key] = with_sizes_scaled(value, size / present)
    for split in ('val', 'test'):  # of images that are evaluated as they are
        for dataset in _datasets(cfg.get(f'{split}_dataloader')):
            if dataset.get('pipeline') and image_size_of(dataset) is None:
                resize = type(dataset)(type='FloorResize', scales=[(size, None)])
                dataset['pipeline'] = [dataset['pipeline'][0], resize, *dataset['pipeline'][1:]]
    if written is not None:
        cfg.pipelines_image_size = size


def _apply_classes(cfg: Config) -> None:
    classes = cfg.get('classes')
    if classes is None:
        return
    if not isinstance(classes, (list, tuple)) or not classes or not all(
            isinstance(name, str) and name for name in classes):
        raise ValueError(f"classes should be a tuple of names such as ('cat', 'dog'), got {classes!r}")
    if repeated := sorted({name for name in classes if classes.count(name) > 1}):
        raise ValueError(f'classes should be distinct names, got {", ".join(repeated)} more than once')
    number = cfg.get('num_classes', len(classes))
    if number != len(classes):
        raise ValueError(f'num_classes is {number}, and classes has {len(classes)} names: leave num_classes out')
    named = [dataset for split in SPLITS for dataset in _datasets(cfg.get(f'{split}_dataloader'))
             if type_name(dataset) not in CAPTION_SETS]
    if not named:
        raise ValueError('classes: no data set of this config has classes, its captions say what the boxes show')
    for dataset in named:
        metainfo = dict(dataset.get('metainfo') or {}, classes=tuple(classes))
        if len(metainfo.get('palette') or classes) != len(classes):
            del metainfo['palette']
        dataset['metainfo'] = metainfo
    if 'language_model' not in cfg.model:  # there it is the number of tokens
        for node in dicts_in(cfg.model):
            if 'num_classes' in node:
                node['num_classes'] = len(classes)


def _fill_ann_files(cfg: Config, earlier: Truths) -> None:
    for key, metric, file in _metrics(cfg):
        given = metric.get('ann_file')
        if given is None or given == earlier.get(key):
            metric['ann_file'] = file


def _metrics(cfg: Config) -> Iterator[tuple[tuple[str, int], dict, str]]:
    """Metrics that read the annotation file of their data set: split and number, metric, path of that file."""
    for split in ('val', 'test'):
        datasets = list(_datasets(cfg.get(f'{split}_dataloader')))
        metrics = cfg.get(f'{split}_evaluator') or ()
        metrics = [metrics] if isinstance(metrics, dict) else metrics
        if len(datasets) != 1 or not isinstance(datasets[0].get('ann_file'), str) or not datasets[0]['ann_file']:
            continue
        for number, metric in enumerate(metrics):
            if isinstance(metric, dict) and type_name(datasets[0]) in TRUTHS.get(type_name(metric), ()) and not (
                    metric.get('entities_root')):
                yield (split, number), metric, _joined(datasets[0])


def _joined(dataset: dict) -> str:
    file, root = dataset['ann_file'], dataset.get('data_root')
    return join_path(root, file) if root and not is_abs(file) else file


def _datasets(node: Any) -> Iterator[dict]:
    """The data sets of a dataloader that read files, below those that wrap others."""
    dataset = node.get('dataset') if isinstance(node, dict) else None
    if isinstance(dataset, dict) and 'datasets' in dataset:
        for part in dataset['datasets']:
            yield from _datasets(dict(dataset=part))
    elif isinstance(dataset, dict) and 'dataset' in dataset:
        yield from _datasets(dataset)
    elif isinstance(dataset, dict):
        yield dataset
