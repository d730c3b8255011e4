"""Teaching a smaller Retriever-Dictionary what a trained one gives (YOLO-RD, https://arxiv.org/abs/2410.15346)."""
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from mmdet_ext.models.layers import RetrieverDictionary

from .usage import dictionary_inputs, find_dictionaries


def distillation_loss(student: Tensor, teacher: Tensor, tau: float = 0.1, pixels: int | None = 256,
                      generator: torch.Generator | None = None) -> Tensor:
    """InfoNCE: a pixel of the student should be more like the same pixel of the teacher than like all its others.

    The mean over anchors i of -log(exp(s_ii / tau) / sum_j exp(s_ij / tau)), s_ij the cosine of the student's pixel i
    and the teacher's pixel j, both (B, C, H, W), pixels counted over the batch. The drawn ones are anchors and
    negatives. In float32 at least. The (B * pixels)^2 similarities are held whole: 50 MB with 8 images of 256 pixels.

    Args:
        tau: Temperature, positive.
        pixels: How many pixels of each image are drawn, without replacement and the same of both sides; all if there
            are no more, or for None.
        generator: On the CPU, for the drawing.
    """
    if student.shape != teacher.shape:
        raise ValueError(f'student and teacher should have one shape, got {tuple(student.shape)} and '
                         f'{tuple(teacher.shape)}')
    anchors, targets = (z.flatten(2).transpose(1, 2) for z in (student, teacher))  # (B, H * W, C)
    if pixels is not None and pixels < anchors.shape[1]:
        drawn = torch.rand(anchors.shape[:2], generator=generator).topk(pixels).indices  # (B, pixels)
        drawn = drawn.to(anchors.device)
        anchors, targets = (z.take_along_dim(drawn[:, :, None], dim=1) for z in (anchors, targets))
    with torch.autocast(student.device.type, enabled=False):
        anchors, targets = (F.normalize(z.flatten(0, 1).to(torch.promote_types(z.dtype, torch.float32)), dim=1)
                            for z in (anchors, targets))
        similarity = anchors @ targets.T / tau
        return F.cross_entropy(similarity, torch.arange(len(similarity), device=similarity.device))


def unexplained_share(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference of two (B, C, H, W) over the variance of the teacher, per channel and then averaged."""
    student, teacher = (z.to(torch.promote_types(z.dtype, torch.float32)) for z in (student, teacher))
    error = (student - teacher).square().mean(dim=(0, 2, 3))
    return (error / (teacher.var(dim=(0, 2, 3), correction=0) + 1e-6)).mean()


@dataclass(frozen=True)
class CompressionOptions:
    """What decides the numbers of a compression.

    Args:
        keep: As in `number_to_keep`.
        by: As in `choose_atoms`.
        tau: As in `distillation_loss`.
        pixels: As in `distillation_loss`.
        match: Weight of the `unexplained_share` of what is retrieved, besides the `distillation_loss`. That one looks
            at directions alone, and falls below the teacher's own value where neighbouring pixels are pushed apart
            further than the teacher does; 0 leaves it alone.
        retrieved: Whether the `distillation_loss` compares what is retrieved, rather than its mixture with the input.
        iters: Steps of distillation.
        lr: Learning rate at the start.
        batch_size: Images in a step.
        usage_images: Images for usage and agreement, all if there are no more.
        seed: Of all that is random.
    """
    keep: float
    by: str = 'usage'
    tau: float = 0.1
    pixels: int = 256
    match: float = 10.0
    retrieved: bool = False
    iters: int = 1000
    lr: float = 3e-3
    batch_size: int = 8
    usage_images: int = 256
    seed: int = 0


class Distillation:
    """Training of students, one for each dictionary of a frozen model, each on the input of its own teacher.

    G, E, scale, shift, atoms and the batch norms' weights and biases learn, as far as they require gradients; gate and
    ramp stay, and so do the statistics of the batch norms. Those of G and E belong to the rows that were copied, and
    what is to be reproduced is the teacher at inference: with statistics of the batch a network whose averages lag
    behind (short training, EMA) is far from itself. AdamW without weight decay; its rate falls to 0 along a cosine.

    Args:
        model: One of mmdet's detectors, with the teachers; it is put into evaluation mode and not changed.
        students: By name of the teacher.
        options: What decides the numbers.
    """

    def __init__(self, model: nn.Module, students: Mapping[str, RetrieverDictionary],
                 options: CompressionOptions) -> None:
        self.model, self.options = model.eval(), options
        self.teachers = find_dictionaries(model)
        self.students = nn.ModuleList(students[name] for name in self.teachers).eval()
        self.by_name = dict(zip(self.teachers, self.students, strict=True))
        idle = [name for name, rd in self.teachers.items() if torch.as_tensor(rd.dictionary_weight()).item() == 0]
        if idle and not options.retrieved:
            raise ValueError(f'{", ".join(idle)}: the weight (alpha, gate or ramp) of the dictionary is 0, and the '
                             'output teaches nothing; --retrieved compares what is retrieved')
        learned = [parameter for student in self.students for name, parameter in student.named_parameters()
                   if name != 'gate' and parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(learned, options.lr, weight_decay=0)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, max(options.iters, 1))

    @property
    def iteration(self) -> int:
        """How many steps were made."""
        return self.schedule.last_epoch

    @property
    def lr(self) -> float:
        return self.optimizer.param_groups[0]['lr']

    def step(self, data: dict) -> float:
        """Learn from one batch; returns the mean loss of the dictionaries, which must be finite (else ValueError)."""
        losses = [contrast + self.options.match * unexplained for _, contrast, _, unexplained in self._terms(data)]
        mean = torch.stack(losses).mean().item()
        if not math.isfinite(mean):
            raise ValueError(f'the loss is {mean} in step {self.iteration}: lr is too high, or the model is not '
                             'finite')
        self.optimizer.zero_grad()
        sum(losses).backward()
        self.optimizer.step()
        self.schedule.step()
        return mean

    @torch.no_grad()
    def agreement(self, batches: Iterable[dict]) -> dict[str, dict[str, float]]:
        """How near the students are to the teachers, by name, as means over the batches.

        `loss` and `cosine` are of what `distillation_loss` compares, `unexplained` is the `unexplained_share`.
        """
        values = {name: [] for name in self.teachers}
        for data in batches:
            for name, *terms in self._terms(data, step=0):
                values[name].append([term.item() for term in terms])
        return {name: dict(zip(('loss', 'cosine', 'unexplained'), np.mean(rows, axis=0).tolist()))
                for name, rows in values.items()}

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name).state_dict() for name in ('students', 'optimizer', 'schedule')}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for name, part in state.items():
            getattr(self, name).load_state_dict(part)

    def _terms(self, data: dict, step: int | None = None) -> Iterator[tuple[str, Tensor, Tensor, Tensor]]:
        """For each dictionary its name, `distillation_loss`, mean cosine and `unexplained_share`."""
        seed = np.random.SeedSequence((self.options.seed, self.iteration if step is None else step)).generate_state(1)
        for name, x in dictionary_inputs(self.model, data):
            with torch.no_grad():
                teacher = self.teachers[name].retrieve(x)
            student = self.by_name[name].retrieve(x)
            unexplained = unexplained_share(student, teacher)
            if not self.options.retrieved:
                weight = torch.as_tensor(self.teachers[name].dictionary_weight()).detach()
                student, teacher = (weight * z + (1 - weight) * x for z in (student, teacher))
            generator = torch.Generator().manual_seed(int(seed[0]))
            contrast = distillation_loss(student, teacher, self.options.tau, self.options.pixels, generator)
            cosine = F.cosine_similarity(student.detach().float(), teacher.float(), dim=1).mean()
            yield name, contrast, cosine, unexplained
