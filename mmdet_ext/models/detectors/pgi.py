"""Programmable gradient information (YOLOv9, https://arxiv.org/abs/2402.13616, section 4.1) beside any detector."""
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch.nn as nn
from mmdet.models.dense_heads import AnchorHead, DETRHead, RepPointsHead, YOLOV3Head, YOLOXHead
from mmdet.models.detectors import BaseDetector, SingleStageDetector
from mmdet.models.utils import unpack_gt_instances
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from torch import Tensor

from ...extended_classes import extended
from ..auxiliaries import PGIAuxHead
from ..auxiliaries.pgi_aux_head import separate_copies
from ..dense_heads import YOLOv9Head
from ..task_modules import PaddedAssignment
from .file_weights import FileWeights

NEED_TRAIN_CFG = (AnchorHead, RepPointsHead, YOLOV3Head, YOLOXHead)
Losses = dict[str, Tensor | list[Tensor]]


class AuxiliaryHeads:
    """Mixin for a detector, listed before mmdet's detector among its base classes: auxiliary heads whose losses are
    added to the detector's own. The constructor must call `set_aux_head`.

    The heads get the maps that backbone and neck give in the detector's own `loss`.
    """

    def set_aux_head(self, aux_head: Mapping | Sequence[Mapping] | None, train_cfg: Mapping[type, Any]) -> None:
        """
        Args:
            aux_head: Config of a `PGIAuxHead`, a list of them, or None.
            train_cfg: By class of a head, the `train_cfg` for an auxiliary head of this class whose config has none.

        Raises:
            ValueError: If a head cannot stand beside this detector.
        """
        self.with_aux = bool(aux_head)
        if not self.with_aux:
            return
        several = isinstance(aux_head, (list, tuple))
        heads = [self._build_aux_head(config, train_cfg) for config in (aux_head if several else [aux_head])]
        self.aux_head = nn.ModuleList(heads) if several else heads[0]

    @property
    def aux_heads(self) -> tuple[PGIAuxHead, ...]:
        """The auxiliary heads; none where the detector is deployed."""
        if not self.with_aux:
            return ()
        return tuple(self.aux_head) if isinstance(self.aux_head, nn.ModuleList) else (self.aux_head, )

    def aux_prefix(self, number: int) -> str:
        """What the names of the losses of an auxiliary head begin with: 'aux.', or 'aux0.' where there is a list."""
        return f'aux{number}.' if isinstance(self.aux_head, nn.ModuleList) else 'aux.'

    def drop_aux_head(self) -> None:
        """Make this the plain detector, in state and behaviour."""
        if self.with_aux:
            del self.aux_head
        self.with_aux = False

    def loss(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> Losses:
        if not self.with_aux:
            return super().loss(batch_inputs, batch_data_samples)
        # some heads, such as that of RTMDet-Ins, write to the data samples
        samples = [separate_copies(batch_data_samples) for _ in self.aux_heads]
        with recorded(self.backbone) as backbone, recorded(self.neck if self.with_neck else nn.Identity()) as neck:
            losses, assignment = self._own_losses(batch_inputs, batch_data_samples)
        if not backbone:
            raise RuntimeError(f'{type(self).__name__}.loss does not run its backbone, whose maps aux_head needs')
        images, feats = backbone[-1]
        maps = dict(backbone=feats, neck=neck[-1][1] if neck else None)
        for number, head in enumerate(self.aux_heads):
            given = assignment if head.lead_guided else None
            added = head.loss(images, maps[head.source], samples[number], given)
            losses = losses | {name.replace('aux.', self.aux_prefix(number), 1): value for name, value in added.items()}
        return losses

    def _own_losses(self, images: Tensor, samples: SampleList) -> tuple[Losses, PaddedAssignment | None]:
        """The losses without auxiliary heads, and the main head's assignment where one of these follows it."""
        if not any(head.lead_guided for head in self.aux_heads):
            return super().loss(images, samples), None
        gts, _, metas = unpack_gt_instances(samples)
        outputs = self.bbox_head(self.extract_feat(images))
        assignment = self.bbox_head.assign(*outputs, gts)
        return self.bbox_head.loss_by_feat(*outputs, gts, metas, assignment=assignment), assignment

    def _build_aux_head(self, config: Mapping, train_cfg: Mapping[type, Any]) -> PGIAuxHead:
        if not isinstance(config, Mapping):
            raise ValueError(f"aux_head should be a dict such as dict(type='PGIAuxHead', branch=..., head=...), or a "
                             f'list of such, got {config!r}')
        if missing := {'type', 'branch', 'head'} - config.keys():
            raise ValueError(f'aux_head should name type, branch and head, {", ".join(sorted(missing))} is missing')
        for name in ('branch', 'head'):
            if not isinstance(config[name], Mapping) or 'type' not in config[name]:
                raise ValueError(f'aux_head.{name} should be a dict with a type, got {config[name]!r}')
        config = copy.deepcopy(config)
        kind = class_of(config['head']['type'])
        if train_cfg.get(kind) is not None:
            config['head'].setdefault('train_cfg', train_cfg[kind])
        if isinstance(kind, type) and issubclass(kind, NEED_TRAIN_CFG) and not config['head'].get('train_cfg'):
            raise ValueError(f'aux_head.head.train_cfg is missing: {kind.__name__} cannot assign objects without one, '
                             f"and no head of {type(self).__name__} is of this class, to have it from")
        if isinstance(kind, type) and issubclass(kind, DETRHead):
            raise ValueError(f'aux_head.head.type should be a head that reads maps, got {kind.__name__!r}, which reads '
                             'the outputs of a decoder')
        head = MODELS.build(config)
        if head.source == 'neck' and not self.with_neck:
            raise ValueError(f"aux_head.source='neck': this {type(self).__name__} has no neck")
        if head.lead_guided:
            check_lead(self, head.head)
        return head


@MODELS.register_module(name='PGI')
def build_with_pgi(detector: str | type[BaseDetector], aux_head: dict | Sequence[dict] | None,
                   **arguments: Any) -> BaseDetector:
    """Any detector of mmdet with an auxiliary head, which is used in training only.

    What is built is a `detector`: of a class that has its name and derives from it. `tools/deploy.py` writes the
    weights and the config of the plain `detector`.

    Args:
        detector: Its type, such as `_base_.model.type`.
        aux_head: Config of a `PGIAuxHead`, or a list of them; None for none.
        arguments: The detector's own.

    Raises:
        ValueError: If `detector` is no detector with a backbone, or `aux_head` does not fit it.
    """
    base = class_of(detector)
    if not (isinstance(base, type) and issubclass(base, BaseDetector)):
        raise ValueError(f"detector should be the type of a detector, such as 'FasterRCNN' or _base_.model.type, got "
                         f'{detector!r}')
    if 'backbone' not in arguments:
        raise ValueError(f"detector={base.__name__!r} has no backbone of its own: give type='PGI' to the detector "
                         'inside it')
    arguments = copy.deepcopy(arguments)  # mmdet's detectors write to them
    if issubclass(base, AuxiliaryHeads):
        return base(aux_head=aux_head, **arguments)
    train_cfg = copy.deepcopy(arguments.get('train_cfg') or {})
    configured = {class_of(arguments[name]['type']): options for name, options in (
        ('rpn_head', train_cfg.get('rpn')), ('mask_head', train_cfg), ('bbox_head', train_cfg))
        if isinstance(arguments.get(name), Mapping)}
    model = with_auxiliary_heads(base)(**arguments)
    model.set_aux_head(aux_head, configured)
    return model


def with_auxiliary_heads(detector: type[BaseDetector]) -> type[BaseDetector]:
    """A subclass of `detector` with its name and `AuxiliaryHeads`."""
    if not issubclass(detector, FileWeights):
        detector = extended(detector, FileWeights)
    return extended(detector, AuxiliaryHeads)


@contextmanager
def recorded(module: nn.Module) -> Iterator[list[tuple[Any, Any]]]:
    """A list to which each call of `module` adds its first argument and its result."""
    calls: list[tuple[Any, Any]] = []
    hook = module.register_forward_hook(lambda _, inputs, output: calls.append((inputs[0], output)))
    try:
        yield calls
    finally:
        hook.remove()


def class_of(kind: str | type | Callable) -> Any:
    """What `type=kind` builds; None for a name that is not registered."""
    return MODELS.get(kind) if isinstance(kind, str) else kind


def check_lead(detector: BaseDetector, guided: nn.Module) -> None:
    """Raise a ValueError unless the assignment of the detector's head can serve `guided`."""
    lead = getattr(detector, 'bbox_head', None)
    if not (isinstance(detector, SingleStageDetector) and isinstance(lead, YOLOv9Head)
            and isinstance(guided, YOLOv9Head)) or lead.strides != guided.strides:
        described = [f'{type(head).__name__} with strides {getattr(head, "strides", None)}' for head in (lead, guided)]
        raise ValueError('aux_head.lead_guided=True needs two YOLOv9Head of the same strides, got '
                         f'{" and ".join(described)}')
