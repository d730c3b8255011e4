"""The Retriever-Dictionary of YOLO-RD (https://arxiv.org/abs/2410.15346): adds learned vectors to each pixel.

A dictionary has N vectors, its atoms. For each pixel a small network, the retriever (G, then E, then a normalisation
over the atoms), computes one coefficient per atom. The sum of the atoms times these coefficients (D) is mixed with the
pixel.
"""
import os
from pathlib import Path
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from torch import Tensor

from .atoms import load_atoms
from .conv import ACT, NORM

# What the paper's formulas (section 3) have where the released module, which is the default, differs.
PAPER_FORM = dict(act_g=False, norm_g=False, norm_e=False, norm_d=False, biased=True, norm_affine=True, unit_atoms=True)


class RetrieverDictionary(nn.Module):
    """alpha * D(normalise(E(G(x)))) + (1 - alpha) * x, pixel by pixel.

    G is a 1x1 convolution from the C channels to N coefficients, E a depthwise convolution over them, D the sum of the
    atoms: atom i is column i of D's weight. The paper's form is `RetrieverDictionary(channels, **PAPER_FORM)`.

    Args:
        channels: C, channels of input and output.
        num_atoms: N, at least 2; 512 by default, or as many as `atoms` has.
        alpha: Weight of the dictionary in [0, 1], 0.8 by default; with 0 the module is the identity. This is the symbol
            of the released code.
        lambda_: Weight of the input in [0, 1], 1 - alpha. The paper's symbol; give one of the two.
        kernel_size: Odd side of E's kernel.
        dense: Whether one dense convolution with E's kernel, from the channels to the coefficients, and batch norm
            (`norm_g`) stand in the place of G and E, as in the paper's ablation. It takes kernel_size^2 times the
            weights of G; `act_g` and `norm_e` are not used.
        act_g: Whether SiLU follows G.
        norm_g: Whether batch norm follows G.
        norm_e: Whether batch norm follows E.
        norm_d: Whether batch norm follows D; otherwise the sum of the atoms is plain.
        normalise: Whether the coefficients are normalised over the atoms. Without, the module can learn to return its
            input.
        biased: Whether the variance over the atoms is divided by N, with eps inside the root. Otherwise it is divided
            by N - 1, and eps is added to the standard deviation.
        norm_affine: Whether the normalised coefficients have a learned scale and shift per atom.
        unit_atoms: Whether atoms are scaled to unit length in each pass.
        eps: Of the normalisation over the atoms, see `biased`.
        atoms: File that `tools/build_dictionary.py` wrote, whose vectors become the atoms; by default atoms are random.
            If `num_atoms` is given too, the file may be missing, because a trained checkpoint has the atoms; then
            `forward` raises an error until a checkpoint is loaded.
        init_g: 'random' for PyTorch's initialisation, or 'match': row i of G's weight is atom i, and E returns its
            input. Then each coefficient starts as the correlation of the pixel with the atom.
        freeze_atoms: Whether the atoms are not trained.
        gate: Initial value of a learned factor of alpha. With 0 the module starts as the identity, which allows to put
            a new dictionary into a trained network. None: no such factor.
        ramp: Number of training steps in which alpha rises from 0 to its value, for the same purpose; the checkpoint
            stores the count. 0: alpha has its value from the start.

    Shape:
        (B, C, H, W) -> (B, C, H, W)
    """

    def __init__(self, channels: int, num_atoms: int | None = None, alpha: float | None = None, *,
                 lambda_: float | None = None, kernel_size: int = 5, dense: bool = False, act_g: bool = True,
                 norm_g: bool = True, norm_e: bool = True, norm_d: bool = True, normalise: bool = True,
                 biased: bool = False, norm_affine: bool = False, unit_atoms: bool = False, eps: float = 1e-5,
                 atoms: str | os.PathLike | None = None, init_g: str = 'random', freeze_atoms: bool = False,
                 gate: float | None = None, ramp: int = 0) -> None:
        super().__init__()
        self.atoms_file = None if atoms is None else str(atoms)
        self.missing_atoms = str(atoms) if atoms is not None and num_atoms and not Path(atoms).is_file() else ''
        vectors = None if atoms is None or self.missing_atoms else _load_vectors(atoms, channels, num_atoms)
        if num_atoms is None:
            num_atoms = 512 if vectors is None else len(vectors)
        if not isinstance(num_atoms, int) or num_atoms < 2:
            raise ValueError(f'num_atoms should be a whole number of at least 2 for a deviation over them, got '
                             f'{num_atoms!r}')
        if not isinstance(kernel_size, int) or kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f'kernel_size should be an odd whole number, got {kernel_size!r}')
        if init_g not in ('random', 'match'):
            raise ValueError(f"init_g should be 'random' or 'match', got {init_g!r}")
        if ramp < 0 or (ramp and gate is not None):
            raise ValueError(f'ramp should be at least 0, and 0 with a gate, got ramp={ramp} and gate={gate}')
        self.alpha = _dictionary_weight(alpha, lambda_)
        self.num_atoms = num_atoms
        self.normalise = normalise
        self.biased = biased
        self.unit_atoms = unit_atoms
        self.eps = eps
        self.dense = dense
        if dense:
            self.generator, self.exchanger = _conv(channels, num_atoms, kernel_size, norm=norm_g), nn.Identity()
        else:
            self.generator = _conv(channels, num_atoms, norm=norm_g, act=act_g)
            self.exchanger = _conv(num_atoms, num_atoms, kernel_size, groups=num_atoms, norm=norm_e)
        self.scale = nn.Parameter(torch.ones(num_atoms)) if norm_affine else None
        self.shift = nn.Parameter(torch.zeros(num_atoms)) if norm_affine else None
        self.dictionary = _conv(num_atoms, channels, norm=norm_d)
        self.gate = None if gate is None else nn.Parameter(torch.tensor(float(gate)))
        self.ramp = ramp
        if ramp:
            self.register_buffer('passes', torch.tensor(0))
        self._fill(vectors, match=init_g == 'match')
        self.dictionary.conv.weight.requires_grad_(not freeze_atoms)

    @property
    def atoms(self) -> Tensor:
        """(N, C), one atom per row, of unit length with `unit_atoms`."""
        atoms = self.dictionary.conv.weight[:, :, 0, 0].T
        return F.normalize(atoms, dim=1) if self.unit_atoms else atoms

    def dictionary_weight(self) -> float | Tensor:
        """alpha, times the gate, or times the share of the ramp that training has passed."""
        if self.gate is not None:
            return self.alpha * self.gate
        return self.alpha * (self.passes / self.ramp).clamp(max=1) if self.ramp else self.alpha

    def coefficients(self, x: Tensor) -> Tensor:
        """Coefficients (B, N, H, W) of the atoms at each pixel, normalised in float32 at least."""
        normed = self.exchanger(self.generator(x))
        if self.normalise:
            normed = positional_norm(normed, self.eps, biased=self.biased)
        return normed if self.scale is None else normed * self.scale.view(-1, 1, 1) + self.shift.view(-1, 1, 1)

    def retrieve(self, x: Tensor) -> Tensor:
        """The dictionary's vector for each pixel, before it is mixed with the pixel: (B, C, H, W)."""
        coefficients = self.coefficients(x).to(x.dtype)
        retrieved = F.conv2d(coefficients, self.atoms.T[:, :, None, None], self.dictionary.conv.bias)
        return self.dictionary.norm(retrieved) if self.dictionary.with_norm else retrieved

    @torch.no_grad()
    def bake_atoms(self) -> None:
        """With `unit_atoms`, scale the atoms to unit length once and for all, so that a batch norm can be folded into
        them."""
        self.dictionary.conv.weight.copy_(self.atoms.T[:, :, None, None])
        self.unit_atoms = False

    def forward(self, x: Tensor) -> Tensor:
        if self.alpha == 0:
            return x
        if self.missing_atoms:
            raise FileNotFoundError(f'atoms={self.missing_atoms!r}: there is no such file (seen from {Path.cwd()}), '
                                    'and no checkpoint was loaded instead; tools/build_dictionary.py makes one')
        weight = self.dictionary_weight()
        if self.ramp and self.training:
            self.passes += 1
        return weight * self.retrieve(x) + (1 - weight) * x

    @torch.no_grad()
    def _fill(self, vectors: Tensor | None, match: bool) -> None:
        if vectors is not None:
            self.dictionary.conv.weight.copy_(vectors.T[:, :, None, None])
        if match:
            _fill_centre(self.generator.conv.weight, self.atoms)
            if not self.dense:
                _fill_centre(self.exchanger.conv.weight, 1)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args)
        if f'{prefix}dictionary.conv.weight' in state_dict:
            self.missing_atoms = ''


def positional_norm(x: Tensor, eps: float = 1e-5, *, biased: bool = False) -> Tensor:
    """Normalise each pixel over its channels (PONO, https://arxiv.org/abs/1907.04312), in float32 at least.

    Args:
        x: (B, N, H, W), N at least 2.
        eps: Added to the standard deviation; with `biased` to the variance, inside the root.
        biased: Whether the variance is divided by N or by N - 1.

    Returns:
        (B, N, H, W).
    """
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    if x.is_cuda:
        variance, mean = torch.var_mean(x, dim=1, correction=0 if biased else 1, keepdim=True)
        centred = x - mean
    else:  # where var_mean over channels takes many times as long
        centred = x - x.mean(dim=1, keepdim=True)
        variance = centred.square().sum(dim=1, keepdim=True) / (x.shape[1] - (0 if biased else 1))
    if biased:
        return centred / (variance + eps).sqrt()
    # equal coefficients, such as those of a pixel of zeros, have variance 0, where a root has no finite gradient
    return centred / (variance.clamp(min=1e-30).sqrt() + eps)


def _fill_centre(kernels: Tensor, values: Tensor | float) -> None:
    """Kernels (O, I, k, k) of zeros but for their centres, which get `values` (O, I)."""
    kernels.zero_()[:, :, kernels.shape[2] // 2, kernels.shape[3] // 2] = values


def _conv(in_channels: int, out_channels: int, kernel_size: int = 1, *, groups: int = 1, norm: bool,
          act: bool = False) -> ConvModule:
    conv = ConvModule(in_channels, out_channels, kernel_size, padding=kernel_size // 2, groups=groups, bias=False,
                      norm_cfg=NORM if norm else None, act_cfg=ACT if act else None)
    conv.conv.reset_parameters()  # PyTorch's initialisation, as published, instead of ConvModule's
    return conv


def _load_vectors(atoms: str | os.PathLike, channels: int, num_atoms: int | None) -> Tensor:
    vectors = load_atoms(atoms).vectors
    if vectors.shape[1] != channels:
        raise ValueError(f'{atoms} has atoms of width {vectors.shape[1]}, and the features here have {channels} '
                         f'channels: build it with --channels {channels}')
    if num_atoms not in (None, len(vectors)):
        raise ValueError(f'{atoms} has {len(vectors)} atoms, got num_atoms={num_atoms}')
    return vectors


def _dictionary_weight(alpha: float | None, lambda_: float | None) -> float:
    if alpha is not None and lambda_ is not None:
        raise ValueError(f'alpha and lambda_ are two names for one thing (alpha = 1 - lambda_), '
                         f'got alpha={alpha} and lambda_={lambda_}')
    name, value = ('alpha', 0.8 if alpha is None else alpha) if lambda_ is None else ('lambda_', lambda_)
    if not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ValueError(f'{name} should be in [0, 1], got {value!r}')
    return value if lambda_ is None else 1 - value


class FoldedRetrieverDictionary(nn.Module):
    """A trained `RetrieverDictionary` for inference, with folded batch norms and the normalisation after D instead of
    before.

    D is linear, so D((c - mean) / deviation) = D'(c) / deviation, where a row of D' is the row of D minus its mean. So
    the normalised coefficients need no memory. Adding a constant to all coefficients changes nothing, so the mean of
    E's bias is dropped. alpha with its gate or ramp, and the learned scale and shift, are part of D'.

    Args:
        rd: The module, with folded batch norms; its convolutions are used here, not copied.
    """

    def __init__(self, rd: RetrieverDictionary) -> None:
        super().__init__()
        self.generator, self.exchanger, self.dictionary = rd.generator, rd.exchanger, rd.dictionary.conv
        self.normalise, self.biased, self.eps = rd.normalise, rd.biased, rd.eps
        with torch.no_grad():
            alpha = torch.as_tensor(rd.dictionary_weight(), dtype=torch.float32)
            weight = alpha * rd.atoms.T  # (C, N)
            bias = torch.zeros_like(weight[:, 0])
            if rd.dictionary.conv.bias is not None:
                bias = bias + alpha * rd.dictionary.conv.bias
            if rd.scale is not None:
                bias, weight = bias + weight @ rd.shift, weight * rd.scale
            if self.normalise:
                weight = weight - weight.mean(dim=1, keepdim=True)
                last = (rd.generator if rd.dense else rd.exchanger).conv
                if last.bias is not None:
                    last.bias -= last.bias.mean()
            self.dictionary.weight.copy_(weight[:, :, None, None])
            self.dictionary.bias = None
        self.bias = nn.Parameter(bias.view(1, -1, 1, 1))
        self.register_buffer('input_weight', 1 - alpha)

    def forward(self, x: Tensor) -> Tensor:
        coefficients = self.exchanger(self.generator(x))
        retrieved = self.dictionary(coefficients)
        if self.normalise:
            scale = self._inverse_deviation(coefficients).clamp_(max=torch.finfo(retrieved.dtype).max)
            mixed = torch.addcmul(self.bias.to(retrieved.dtype), retrieved, scale.to(retrieved.dtype))
        else:
            mixed = retrieved + self.bias.to(retrieved.dtype)
        return torch.addcmul(mixed, x, self.input_weight.to(x.dtype)).to(x.dtype)

    def _inverse_deviation(self, coefficients: Tensor) -> Tensor:
        """(B, N, H, W) -> (B, 1, H, W) in float32 at least.

        float16 and bfloat16 inputs are not copied to float32: their variance is computed from two float32 sums, whose
        error is smaller than the rounding of the inputs.
        """
        num_atoms, dtype = coefficients.shape[1], torch.promote_types(coefficients.dtype, torch.float32)
        total = coefficients.sum(dim=1, keepdim=True, dtype=dtype)
        if dtype == coefficients.dtype:
            squares = _squares(coefficients - total / num_atoms)
        else:
            squares = torch.addcmul(_squares(coefficients), total, total, value=-1 / num_atoms).clamp_(min=0)
        variance = squares / (num_atoms - (0 if self.biased else 1))
        return (variance + self.eps).rsqrt_() if self.biased else variance.sqrt_().add_(self.eps).reciprocal_()

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        """Weights of earlier versions had the sums over each row of D beside D."""
        key, sums = f'{prefix}dictionary.weight', state_dict.pop(f'{prefix}sums', None)
        if sums is not None and key in state_dict:
            weight = state_dict[key]
            state_dict[key] = weight - sums.view(-1, 1, 1, 1).to(weight) / weight.shape[1]
        super()._load_from_state_dict(state_dict, prefix, *args)


def _squares(x: Tensor) -> Tensor:
    """(B, N, H, W) -> (B, 1, H, W), the sum of squares, in float32 at least."""
    dtype = torch.promote_types(x.dtype, torch.float32)
    if x.is_cuda or x.is_contiguous(memory_format=torch.channels_last):
        return torch.linalg.vector_norm(x, dim=1, keepdim=True, dtype=dtype).square()
    return x.to(dtype).square().sum(dim=1, keepdim=True)  # a CPU takes long over the norm of distant numbers
