"""The models that `finetune` knows by name."""
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True)
class Model:
    """A model of this package.

    Attributes:
        name: Such as 'yolov9-s'.
        config: Path of its config below `configs`.
        system: 'yolov9', 'smca' or 'mdetr': the form of the config that is written.
        memory: GiB of memory that an image of 640 x 640 pixels takes in training, about.
        weights: Where the backbone's weights come from if no file is given; '' for random ones.
        published: Entry of `checkpoints.SYSTEMS` that converts its published weights.
    """
    name: str
    config: str
    system: str
    memory: float
    weights: str = ''
    published: str = 'yolov9'

    @property
    def kind(self) -> str:
        """Of the data: 'boxes' or 'captions'."""
        return 'captions' if self.system == 'mdetr' else 'boxes'


def _models() -> list[Model]:
    memory = dict(t=0.6, s=0.9, m=1.9, c=2.6, e=5.0)
    yolo = [('yolov9-{}', 'yolov9/yolov9{}_coco.py', 1.0, 'yolov9'),
            ('gelan-{}', 'gelan/gelan{}_coco.py', 0.6, 'yolov9'),
            ('yolov9-{}-rd', 'yolo_rd/yolov9{}_rd_coco.py', 1.1, 'yolo_rd')]
    models = [Model(name.format(size), config.format(size), 'yolov9', factor * memory[size], published=published)
              for name, config, factor, published in yolo for size in memory]
    for name, config, depth, gib in (
            ('smca-r18', 'smca_r18_coco128', 18, 0.8), ('smca-r50', 'smca_r50_50e_coco', 50, 1.4),
            ('smca-r101', 'smca_r101_50e_coco', 101, 1.8), ('smca-ms-r50', 'smca_ms_r50_50e_coco', 50, 2.8),
            ('smca-ms-r101', 'smca_ms_r101_50e_coco', 101, 3.2)):
        models.append(Model(name, f'smca/{config}.py', 'smca', gib, f'torchvision://resnet{depth}', 'smca'))
    for name, config, gib, weights in (
            ('mdetr-r18', 'mdetr_r18_coco128', 0.9, 'torchvision://resnet18'),
            ('mdetr-r101', 'mdetr_r101_refcoco', 2.4, 'torchvision://resnet101'),
            ('mdetr-effb3', 'mdetr_effb3_pretrain', 2.2, ''), ('mdetr-effb5', 'mdetr_effb5_pretrain', 3.4, '')):
        models.append(Model(name, f'mdetr/{config}.py', 'mdetr', gib, weights, 'mdetr'))
    return models


MODELS: dict[str, Model] = {model.name: model for model in _models()}


def model_named(name: str) -> Model:
    """The model of a name; ValueError that lists close names, and all, for another one."""
    if name in MODELS:
        return MODELS[name]
    close = get_close_matches(name.lower().replace('_', '-'), MODELS, n=3, cutoff=0.5)
    meant = f', did you mean {" or ".join(close)}?' if close else '.'
    raise ValueError(f'there is no model {name!r}{meant} All models: {", ".join(MODELS)}')
