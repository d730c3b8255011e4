"""The config that `finetune` writes: short, complete, with a comment on each number."""
from dataclasses import dataclass

from ..annotations.formats import PreparedData, Split
from ..version import __version__
from .models import Model
from .recipe import Recipe


@dataclass(frozen=True)
class Choices:
    """What a config says beyond the recipe.

    Attributes:
        image_size: Side in pixels.
        workers: Data workers of each process.
        weights: File to begin with, or None.
        backbone_weights: Whether the backbone begins with the weights that its config names.
        text: Name or folder of the text encoder, and whether its weights are loaded; None: the config's.
    """
    image_size: int
    workers: int
    weights: str | None
    backbone_weights: bool
    text: tuple[str, bool] | None = None


def config_text(model: Model, data: PreparedData, recipe: Recipe, choices: Choices, command: str) -> str:
    """The text of a config that lies in the folder of the run, beside ``annotations``.

    Args:
        model: The model.
        data: The data set, whose annotation files lie in the folder.
        recipe: Batch size, rates, length.
        choices: Further values.
        command: The command that trains with the file, for the comment at its head.
    """
    body = dict(yolov9=_yolov9, smca=_smca, mdetr=_mdetr)[model.system](model, data, recipe, choices)
    title = f'{model.name} on {data.train.num_images} images ({data.format}), written by mmdet_ext {__version__}'
    return f'''# {title}. Change what you like, then:
#   {command}
_base_ = __import__('mmdet_ext').config_file({model.config!r})

work_dir = '{{{{ fileDirname }}}}'  # this folder: checkpoints, logs, report
{_head(data, recipe, choices)}
{body}'''


def _head(data: PreparedData, recipe: Recipe, choices: Choices) -> str:
    """The values that a user may want to change, one for each line."""
    weights = '  # random weights' if choices.weights is None and not choices.backbone_weights else ''
    lines = [f"annotations = '{{{{ fileDirname }}}}/{data.train.ann_file.parent.name}/'",
             *_folders(data),
             *([_classes(data.classes)] if data.kind == 'boxes' else []),
             f'image_size = {choices.image_size}  # pixels',
             f'batch_size = {recipe.batch_size}  # on each device',
             f'num_workers = {choices.workers}  # processes that load images',
             f'max_epochs = {recipe.epochs}',
             f'lr = {recipe.lr:g}',
             f'load_from = {choices.weights!r}{weights}']
    return '\n'.join(lines)


def _folders(data: PreparedData) -> list[str]:
    """The folder of the images; of each set, where they differ."""
    sets = dict(images=data.train.image_folder)
    for name, split in (('val_images', data.val), ('test_images', data.test)):
        if split and split.image_folder != data.train.image_folder:
            sets[name] = split.image_folder
    return [f'{name} = {str(folder)!r}' for name, folder in sets.items()]


def _classes(classes: tuple[str, ...]) -> str:
    start, lines = 'classes = (', ['']
    for name in map(repr, classes):
        if len(start + lines[-1] + name) > 116:
            lines.append('')
        lines[-1] += f'{name}, '
    return start + f'\n{" " * len(start)}'.join(line.rstrip() for line in lines) + ')'


def _set(data: PreparedData, split: Split, name: str) -> str:
    """Arguments of a data set."""
    images = 'images' if split.image_folder == data.train.image_folder else f'{name}_images'
    return f"data_root={images}, data_prefix=dict(img=''), ann_file=annotations + '{split.ann_file.name}'"


def _evaluated(data: PreparedData, options: str = '', indent: str = '    ') -> str:
    """The data loaders of the evaluation; `options` are further arguments of them."""
    val = f'''val_dataloader = dict(
{indent}num_workers=num_workers, persistent_workers=num_workers > 0,
{indent}{options}dataset=dict(@, {_set(data, data.val, 'val')}))
'''
    if data.test is None:
        return val + 'test_dataloader = val_dataloader\n'
    return val + val.replace('val_dataloader', 'test_dataloader').replace(
        _set(data, data.val, 'val'), _set(data, data.test, 'test'))


def _yolov9(model: Model, data: PreparedData, recipe: Recipe, choices: Choices) -> str:
    evaluated = _evaluated(data, 'batch_size=2 * batch_size,\n    ').replace(
        'dataset=dict(@, ', 'dataset=dict(\n        batch_shapes=dict(batch_size=2 * batch_size),\n        ')
    return f'''train_dataloader = dict(
    batch_size=batch_size,
    num_workers=num_workers, persistent_workers=num_workers > 0,
    dataset=dict(dataset=dict({_set(data, data.train, 'train')})))
{evaluated}
train_cfg = dict(max_epochs=max_epochs, val_interval={recipe.val_interval})
optim_wrapper = dict(
    optimizer=dict(lr=lr),  # for any batch size: losses are summed over images
    paramwise_cfg=dict(batch_size_per_gpu=batch_size, nominal_batch_size={recipe.nominal_batch_size}))  # of a step
default_hooks = dict(
    logger=dict(interval={max(1, min(50, recipe.iterations))}),
    warmup=dict(warmup_epochs={min(3, round(recipe.epochs / 10, 1)):g}, min_iters={recipe.warmup}),
    close_mosaic=dict(num_last_epochs={recipe.last_epochs}),
    ema=dict(tau={recipe.ema_steps}))  # steps over which the averaged weights settle
'''


def _checkpoint(metric: str) -> str:
    return f"checkpoint=dict(interval=1, max_keep_ckpts=2, save_best='{metric}', rule='greater')"


def _schedule(recipe: Recipe) -> str:
    drop = max(1, recipe.epochs - recipe.last_epochs)
    return f'''param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end={recipe.warmup}),
    dict(type='MultiStepLR', end=max_epochs, milestones=[{drop}])
]
'''


def _model(parts: list[str]) -> str:
    return f'model = dict({", ".join(parts)})\n'.replace(', text_encoder', ',\n    text_encoder') if parts else ''


def _backbone(choices: Choices) -> str:
    """What a DETR's backbone needs where it does not begin with its published weights."""
    if choices.backbone_weights:
        return ''
    if choices.weights:
        return 'init_cfg=None'
    return 'init_cfg=None, frozen_stages=-1, norm_eval=False, norm_cfg=dict(requires_grad=True)'


def _smca(model: Model, data: PreparedData, recipe: Recipe, choices: Choices) -> str:
    backbone = _backbone(choices)
    evaluated = _evaluated(data, 'batch_size=batch_size,\n    ').replace('dict(@, ', 'dict(')
    return f'''{_model([f'backbone=dict({backbone})'] if backbone else [])}train_dataloader = dict(
    batch_size=batch_size,
    num_workers=num_workers, persistent_workers=num_workers > 0,
    dataset=dict({_set(data, data.train, 'train')}))
{evaluated}
train_cfg = dict(max_epochs=max_epochs, val_interval={recipe.val_interval})
optim_wrapper = dict(optimizer=dict(lr=lr))
{_schedule(recipe)}default_hooks = dict(
    logger=dict(interval={max(1, min(50, recipe.iterations))}),
    {_checkpoint('coco/bbox_mAP')})
'''


def _mdetr(model: Model, data: PreparedData, recipe: Recipe, choices: Choices) -> str:
    backbone, parts = _backbone(choices), []
    if 'eff' in model.name:
        backbone = '' if choices.weights else 'norm_eval=False, norm_cfg=dict(requires_grad=True)'
    if backbone:
        parts.append(f'backbone=dict({backbone})')
    if choices.text:
        name, pretrained = choices.text
        parts.append(f'text_encoder=dict(name={name!r}, pretrained={pretrained})')
    head = 'dataset=dict(\n        _delete_=True, type=\'MDETRDataset\', '
    train = f"{head}pipeline=_base_.train_pipeline,\n        {_set(data, data.train, 'train')}))"
    evaluated = _evaluated(data, 'batch_size=batch_size,\n    ').replace(
        'dataset=dict(@, ', f'{head}pipeline=_base_.test_pipeline, test_mode=True,\n        ')
    return f'''{_model(parts)}train_dataloader = dict(
    batch_size=batch_size,
    num_workers=num_workers, persistent_workers=num_workers > 0,
    {train}
{evaluated}val_evaluator = dict(_delete_=True, type='PhraseGroundingMetric')
test_evaluator = val_evaluator

train_cfg = dict(max_epochs=max_epochs, val_interval={recipe.val_interval})
optim_wrapper = dict(optimizer=dict(lr=lr))
default_hooks = dict(
    logger=dict(interval={max(1, min(50, recipe.iterations))}),
    lr_schedule=dict(lr_drop={max(1, recipe.epochs - recipe.last_epochs)}, warmup_fraction=0.05),
    ema=dict(type='StepEMAHook', decay=0.9998, tau={recipe.ema_steps}),
    {_checkpoint('any_box/recall@1_all')})
'''
