"""A device that is the CPU by another name: what is wrongly left on, or made on, the CPU raises as it would on a GPU.

Its tensors hold one of the CPU. It tells nothing about rounding, kernels or time.
"""
from contextlib import ExitStack
from typing import Any

import pytest
import torch
from mmengine.structures import instance_data
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

NAME = 'lazy'  # of those that torch knows and does not look for: it runs backward passes in their thread
aten = torch.ops.aten
# of these a GPU takes operands of the CPU: copies, and indices
MIXED = {aten.copy_, aten._to_copy, aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_}


class SimulatedTensor(Tensor):
    """A tensor on the simulated device, around one of the CPU in `raw`."""

    @staticmethod
    def __new__(cls, raw: Tensor) -> 'SimulatedTensor':
        self = Tensor._make_wrapper_subclass(cls, raw.size(), strides=raw.stride(), dtype=raw.dtype, device=NAME,
                                             storage_offset=raw.storage_offset())
        self.raw = raw
        return self

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if func is Tensor.tolist:  # it does not come by as an operator
            return args[0].raw.tolist()
        return torch._C._disabled_torch_function_impl(func, types, args, kwargs or {})

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        return dispatch(func, args, kwargs or {})

    def __repr__(self) -> str:
        return f'simulated {self.raw!r}'


class _OfBools(type):

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, SimulatedTensor) and value.dtype == torch.bool


class SimulatedBools(metaclass=_OfBools):
    """What torch.BoolTensor is to the CPU."""


class SimulatedDevice(TorchDispatchMode):
    """Where this mode is entered, tensors can be made on the device or go there."""

    def __enter__(self) -> 'SimulatedDevice':
        self._undo = ExitStack()
        torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(..., device=...) then comes by here
        self._undo.callback(torch._C._set_only_lift_cpu_tensors, False)
        # modules take parameters that they are given, where they would copy the insides of tensors
        before = torch.__future__.get_overwrite_module_params_on_conversion()
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        self._undo.callback(torch.__future__.set_overwrite_module_params_on_conversion, before)
        patch = self._undo.enter_context(pytest.MonkeyPatch.context())
        autocast = torch.autocast  # which the device does not have

        def cpu_autocast(device_type: str, *args: Any, **kwargs: Any) -> torch.autocast:
            return autocast('cpu' if device_type == NAME else device_type, *args, **kwargs)

        patch.setattr(torch, 'autocast', cpu_autocast)
        patch.setattr(instance_data, 'IndexType', instance_data.IndexType | SimulatedTensor)
        patch.setattr(instance_data, 'BoolTypeTensor', instance_data.BoolTypeTensor | SimulatedBools)
        return super().__enter__()

    def __exit__(self, *exception: Any) -> None:
        super().__exit__(*exception)
        self._undo.close()

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        return dispatch(func, args, kwargs or {})


def dispatch(func: Any, args: tuple, kwargs: dict) -> Any:
    """Run an operator on the CPU, if the devices of its operands agree."""
    packet = func.overloadpacket
    if packet is aten._fused_sdp_choice:
        return 0  # the textbook form, which is made of operators that come by here
    operands = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, Tensor)]
    simulated = [value for value in operands if isinstance(value, SimulatedTensor)]
    plain = [value for value in operands if value.ndim and not isinstance(value, SimulatedTensor)]
    if simulated and plain and (packet not in MIXED or (operands[0] is plain[0] and packet is not aten.copy_)):
        raise RuntimeError(f'{func}: expected all tensors to be on the same device, found {NAME} and cpu')
    wanted = kwargs.get('device')
    there = bool(simulated) if wanted is None else torch.device(wanted).type == NAME
    if packet is aten.copy_:
        there = isinstance(args[0], SimulatedTensor)
    if wanted is not None:
        kwargs = kwargs | dict(device=torch.device('cpu'))
    result = func(*tree_map(raw_of, args), **tree_map(raw_of, kwargs))
    known = {id(value.raw): value for value in simulated}
    return tree_map(lambda value: placed(value, known, there), result)


def raw_of(value: Any) -> Any:
    return value.raw if isinstance(value, SimulatedTensor) else value


def placed(value: Any, known: dict[int, SimulatedTensor], there: bool) -> Any:
    """A result on the device, if it belongs there; an operand that was changed in place is itself."""
    if not isinstance(value, Tensor) or isinstance(value, SimulatedTensor):
        return value
    if id(value) in known and there:
        return known[id(value)]
    return SimulatedTensor(value) if there else value
