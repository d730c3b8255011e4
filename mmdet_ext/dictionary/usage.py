"""How much a trained network uses each atom of its dictionaries (YOLO-RD, https://arxiv.org/abs/2410.15346)."""
from collections.abc import Iterable

import torch
import torch.nn as nn
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from mmdet_ext.models.layers import RetrieverDictionary


def find_dictionaries(model: nn.Module) -> dict[str, RetrieverDictionary]:
    """The dictionaries of a model by their names in it; ValueError if there is none."""
    dictionaries = {name: module for name, module in model.named_modules()
                    if isinstance(module, RetrieverDictionary)}
    if not dictionaries:
        raise ValueError(f'the {type(model).__name__} of the config has no RetrieverDictionary (a deployed one is '
                         'folded and does not count): GELAN(rd=...) or an RDNeck gives it one')
    return dictionaries


@torch.no_grad()
def dictionary_inputs(model: nn.Module, data: dict) -> list[tuple[str, Tensor]]:
    """(name, input (B, C, H, W)) of each call of a dictionary while a detector in evaluation mode looks at a batch.

    `data` is a batch for the model's `data_preprocessor`; what that pads to make sizes equal counts like the image.
    """
    inputs = []
    hooks = [rd.register_forward_pre_hook(lambda rd, args, name=name: inputs.append((name, args[0])))
             for name, rd in find_dictionaries(model).items()]
    try:
        model.extract_feat(model.data_preprocessor(data, False)['inputs'])
    finally:
        for hook in hooks:
            hook.remove()
    return inputs


@torch.no_grad()
def measure_usage(model: nn.Module, batches: Iterable[dict]) -> dict[str, Tensor]:
    """Mean magnitude of each atom's normalised coefficient over all pixels of some images.

    Args:
        model: One of mmdet's detectors; it is put into evaluation mode.
        batches: For its `data_preprocessor`.

    Returns:
        For each dictionary (N, ) float64, on the CPU; ValueError if one received nothing.
    """
    model.eval()
    dictionaries = find_dictionaries(model)
    sums = {name: torch.zeros(rd.num_atoms, dtype=torch.float64) for name, rd in dictionaries.items()}
    pixels = dict.fromkeys(dictionaries, 0)
    for data in batches:
        for name, x in dictionary_inputs(model, data):
            coefficients = dictionaries[name].coefficients(x)  # (B, N, H, W)
            sums[name] += coefficients.abs().sum(dim=(0, 2, 3), dtype=torch.float64).cpu()
            pixels[name] += coefficients[:, 0].numel()
    if idle := [name for name, count in pixels.items() if not count]:
        raise ValueError(f'nothing reached {", ".join(idle)}: no images, or extract_feat does not call it')
    return {name: total / pixels[name] for name, total in sums.items()}


def effective_number(usage: Tensor) -> float:
    """Exponential of the entropy of the usage (N, ): N if all atoms are used alike, 1 if one is all that is used."""
    return torch.special.entr(usage / usage.sum()).sum().exp().item()


@torch.no_grad()
def count_flops(model: nn.Module, data: dict) -> dict[str, int]:
    """Twice the multiply-adds of a detector's `dictionaries`, and of its `network` (backbone and neck), for an image.

    The image is the first one of `data`, a batch for the model's `data_preprocessor`.
    """
    dictionaries = find_dictionaries(model)
    with FlopCounterMode(display=False) as network:
        inputs = dictionary_inputs(model, {key: value[:1] for key, value in data.items()})
    with FlopCounterMode(display=False) as part:
        for name, x in inputs:
            dictionaries[name](x)
    return dict(dictionaries=part.get_total_flops(), network=network.get_total_flops())
