"""One-stage detectors with programmable gradient information (YOLOv9, https://arxiv.org/abs/2402.13616, 4.1)."""
import copy

import torch
from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from mmdet.models.detectors import SingleStageDetector
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from torch import Tensor

from ..auxiliaries.map_checks import check_widths
from ..layers import fuse
from .cuda_graphs import check_cuda
from .file_weights import FileWeights
from .network_options import NetworkOptions
from .pgi import AuxiliaryHeads


@MODELS.register_module()
class PGIDetector(AuxiliaryHeads, NetworkOptions, FileWeights, SingleStageDetector):
    """mmdet's `SingleStageDetector` with an auxiliary head, which is used in training only.

    Args:
        backbone: Config.
        neck: Config, or None.
        bbox_head: Config of the main head.
        aux_head: Config of a `PGIAuxHead`, or a list of them; None for plain training.
        train_cfg: For the main head, and for an auxiliary head of the same type whose config has none.
        test_cfg: For the main head.
        data_preprocessor: Config.
        deployed: Whether to build the network in the form that `tools/deploy.py` writes: without auxiliary head, with
            folded batch norms and re-parameterised convolutions. It can load only the weights of that form, and cannot
            be trained.
        channels_last: Whether feature maps and weights of convolutions have the memory format channels_last; None for
            yes on CUDA, and on the CPU where the network is deployed.
        compile: Arguments of torch.compile, by which backbone, neck, main head and auxiliary branch are compiled,
            `dict()` for its defaults. They are compiled for each size of images (`dynamic=False`), for 8 sizes at most.
            None to compile nothing.
        cuda_graph: Whether the host launches whole CUDA graphs. A deployed network is recorded once per size of batch
            and image. One that trains is compiled with `mode='reduce-overhead'`: `torch.cuda.make_graphed_callables`
            would not let it be copied for its averages, nor run in evaluation mode or on batches of another size.
        init_cfg: As in mmengine.

    Raises:
        ValueError: If a part gives other channels than the next one reads, as far as both tell.
    """

    def __init__(self, backbone: dict, neck: dict | None = None, bbox_head: dict | None = None,
                 aux_head: dict | list[dict] | None = None, *, train_cfg: dict | None = None,
                 test_cfg: dict | None = None, data_preprocessor: dict | None = None, deployed: bool = False,
                 channels_last: bool | None = None, compile: dict | None = None, cuda_graph: bool = False,
                 init_cfg: dict | None = None) -> None:
        if bbox_head is None:
            raise ValueError('bbox_head should be the config of a dense head, got None')
        super().__init__(backbone, neck, copy.deepcopy(bbox_head), train_cfg, test_cfg, data_preprocessor, init_cfg)
        check_widths(dict(backbone=self.backbone, neck=self.neck if self.with_neck else None, bbox_head=self.bbox_head))
        self.deployed = deployed
        self.set_aux_head(None if deployed else aux_head, {type(self.bbox_head): train_cfg})
        if deployed:
            fuse(self)
        parts = [self.backbone, *([self.neck] if self.with_neck else []), self.bbox_head]
        parts += [part for head in self.aux_heads for part in (head.branch, head.neck, head.head)]
        self.set_network_options(parts, channels_last=channels_last, cuda_graph=cuda_graph, dynamic=False,
                                 compile=compile if deployed or not cuda_graph else graphed_training(compile))
        if cuda_graph and not deployed:
            # gradients lie in the graphs' memory, which the next iteration writes to: those that accumulate are copied
            for part in parts:
                for parameter in part.parameters():
                    if parameter.requires_grad:
                        parameter.register_hook(torch.clone)
        if cuda_graph and deployed and type(self.bbox_head).predict is not BaseDenseHead.predict:
            raise ValueError(f"cuda_graph=True needs a head with mmdet's BaseDenseHead.predict, got bbox_head.type="
                             f'{type(self.bbox_head).__name__!r}')

    def loss(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> dict[str, Tensor | list[Tensor]]:
        if self.deployed:
            raise RuntimeError('a deployed model (deployed=True) has no batch norms left and cannot be trained')
        if self.cuda_graph:
            check_cuda(batch_inputs)
        return super().loss(batch_inputs, batch_data_samples)

    def predict(self, batch_inputs: Tensor, batch_data_samples: SampleList, rescale: bool = True) -> SampleList:
        if not (self.cuda_graph and self.deployed):
            return super().predict(batch_inputs, batch_data_samples, rescale)
        metas = [sample.metainfo for sample in batch_data_samples]
        results = self.bbox_head.predict_by_feat(*self._forward(batch_inputs), batch_img_metas=metas, rescale=rescale)
        return self.add_pred_to_datasample(batch_data_samples, results)

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Tensor, ...]:
        return super().extract_feat(self.to_memory_format(batch_inputs))

    def _forward(self, batch_inputs: Tensor, batch_data_samples: SampleList | None = None) -> tuple:
        """The raw maps of the head for images (B, 3, H, W)."""
        if self.deployed:
            return self.run_graphed('network', super()._forward, batch_inputs)
        return super()._forward(batch_inputs)


def graphed_training(compile: dict | None) -> dict:
    """Options of torch.compile by which it records CUDA graphs.

    Raises:
        ValueError: If `compile` has another `mode`.
    """
    options = dict(dict(mode='reduce-overhead'), **(compile or {}))
    if options['mode'] not in ('reduce-overhead', 'max-autotune') or 'options' in options:
        raise ValueError(f"cuda_graph=True trains with compile.mode='reduce-overhead' or 'max-autotune', got "
                         f'compile={compile}')
    return options
