"""Compression of the dictionaries of a trained detector: usage, pruning, distillation, evaluation."""
import copy
import logging
import pickle
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn as nn
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.device import get_device
from mmengine.runner import Runner
from torch.utils.data import DataLoader
from tqdm import tqdm

from mmdet_ext.checkpoints.load import misfits, read_weights
from mmdet_ext.deployment import count_parameters
from mmdet_ext.files import replace_file
from mmdet_ext.fingerprints import digest
from mmdet_ext.unfinished import Unfinished, file_version

from .compressed_files import compressed_config, compressed_state, load_trained, replace_dictionaries, save_atoms
from .distillation import CompressionOptions, Distillation
from .pruning import choose_atoms, number_to_keep, prune
from .sources.image_set import training_images
from .usage import count_flops, effective_number, find_dictionaries, measure_usage

SAVE_SECONDS = 30


class Compression:
    """Makes `folder`/compressed.pth and .py of a trained detector.

    What is done is kept until `work.remove()`, so that another `Compression` with the same arguments goes on from it.
    ValueError if something does not fit, or other arguments began the work.

    Args:
        cfg: Config of the trained detector.
        checkpoint: Its weights.
        folder: Where everything goes.
        options: What decides the numbers.
        evaluate: Whether to evaluate the model before, after pruning and after distillation.
        restart: Whether to forget what is done.
    """

    def __init__(self, cfg: Config, checkpoint: str | Path, folder: Path, options: CompressionOptions, *,
                 evaluate: bool = True, restart: bool = False) -> None:
        if evaluate and not (cfg.get('val_dataloader') and cfg.get('val_evaluator')):
            raise ValueError(f'{cfg.filename} has no val_dataloader and val_evaluator: --no-eval goes without')
        self.cfg, self.checkpoint, self.folder, self.options = cfg, checkpoint, folder, options
        self.evaluates = evaluate
        self.weights = read_weights(checkpoint)
        self.model = load_trained(cfg, self.weights).to(get_device())
        self.teachers = find_dictionaries(self.model)
        self.numbers = {name: number_to_keep(options.keep, rd.num_atoms) for name, rd in self.teachers.items()}
        self.small_cfg = compressed_config(cfg, options.keep)
        first = {name: prune(rd, range(self.numbers[name])) for name, rd in self.teachers.items()}
        small = MODELS.build(copy.deepcopy(self.small_cfg.model))
        if problems := misfits(small, compressed_state(self.weights, first)):
            raise ValueError('num_atoms of a dictionary is not set by a key `rd` or an RDNeck of the config, so that '
                             f'the smaller model cannot be built from it: {"; ".join(problems[:3])}')
        self.dataset = training_images(cfg)
        self.meta = dict(dataset_meta=self.weights.dataset_meta or dict(self.dataset.metainfo))
        self.work = Unfinished(folder / 'compressed.pth')
        described = digest([repr((cfg.model, cfg.train_dataloader.dataset))])
        self.work.begin(dict(asdict(options), checkpoint=file_version(Path(checkpoint)), config=described),
                        restart=restart)

    def run(self, command: str = '') -> dict[str, Any]:
        """Do what is not done yet, and write the files; returns what report.json says."""
        options = self.options
        metrics = self._evaluate('before', self.teachers)
        usage = self._once('usage', lambda: measure_usage(self.model, self._calibration()))
        kept = {name: choose_atoms(rd.atoms, usage[name], self.numbers[name], options.by, options.seed)
                for name, rd in self.teachers.items()}
        students = {name: prune(rd, kept[name]) for name, rd in self.teachers.items()}
        self._save_model('pruned.pth', students)
        self.small_cfg.dump(self.folder / 'compressed.py')
        metrics |= self._evaluate('pruned', students)
        distillation = Distillation(self.model, students, options)
        agreement = dict(pruned=self._once('agreement', lambda: distillation.agreement(self._calibration())))
        losses, seconds = self._distill(distillation)
        agreement['distilled'] = distillation.agreement(self._calibration())
        self._save_model('compressed.pth', students)
        written = save_atoms(self.folder, self.teachers, students, kept, asdict(options))
        before = self._size()
        metrics |= self._evaluate('distilled', students)
        replace_dictionaries(self.model, students)
        after_usage = measure_usage(self.model, self._calibration())
        described = {
            name: dict(
                kept=kept[name].tolist(), usage=usage[name].tolist(),
                atoms=(teacher.num_atoms, students[name].num_atoms),
                effective_atoms=(effective_number(usage[name]), effective_number(after_usage[name])),
                parameters=(count_parameters(teacher), count_parameters(students[name])),
                **{stage: values[name] for stage, values in agreement.items()})
            for name, teacher in self.teachers.items()}
        return dict(
            command=command, config=str(self.cfg.filename), checkpoint=str(self.checkpoint), **asdict(options),
            images=len(self.dataset), before=before, after=self._size(), dictionaries=described, metrics=metrics,
            losses=losses, seconds=round(seconds, 1),
            files=['compressed.pth', 'compressed.py', 'pruned.pth', *(path.name for path in written)])

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` gives, or gave in an earlier run."""
        if self.work.piece(f'{name}.pt') is None:
            self._save(name, make())
        return self._load(name)

    def _load(self, name: str) -> Any:
        path = self.work.piece(f'{name}.pt')
        try:
            return torch.load(path, map_location='cpu', weights_only=True)
        except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise ValueError(f'{path} is damaged: forget it with --restart') from error

    def _save(self, name: str, content: Any) -> None:
        with self.work.write(f'{name}.pt') as file:
            torch.save(content, file)

    def _save_model(self, name: str, students: Mapping[str, nn.Module]) -> None:
        with replace_file(self.folder / name) as file:
            torch.save(dict(state_dict=compressed_state(self.weights, students), meta=self.meta), file)

    def _evaluate(self, stage: str, dictionaries: Mapping[str, nn.Module]) -> dict[str, dict[str, float]]:
        """What `val_evaluator` says of the model with these dictionaries, under the name of the stage."""
        if not self.evaluates:
            return {}
        replace_dictionaries(self.model, dictionaries)
        metrics = self._once(f'metrics_{stage}', lambda: self._run_validation(stage))
        replace_dictionaries(self.model, self.teachers)
        return {stage: metrics}

    def _run_validation(self, stage: str) -> dict[str, float]:
        cfg = copy.deepcopy(self.cfg)
        runner = Runner(
            self.model, str(self.folder / 'logs'), val_dataloader=cfg.val_dataloader, val_cfg=dict(type='ValLoop'),
            val_evaluator=cfg.val_evaluator, env_cfg=cfg.get('env_cfg') or dict(dist_cfg=None),
            default_scope=cfg.get('default_scope', 'mmdet'), randomness=dict(seed=0), log_level=logging.WARNING,
            experiment_name=f'{stage}_{time.time_ns()}')
        return {key: float(value) for key, value in runner.val().items() if isinstance(value, (int, float))}

    def _batches(self, batches: list[list[int]]) -> DataLoader:
        return DataLoader(self.dataset, batch_sampler=batches, collate_fn=pseudo_collate,
                          num_workers=self.cfg.train_dataloader.get('num_workers', 0),
                          worker_init_fn=_leave_interrupts_to_main)

    def _calibration(self) -> DataLoader:
        """The images on which usage and agreement are measured."""
        number, size = min(self.options.usage_images, len(self.dataset)), self.options.batch_size
        chosen = random_batches(len(self.dataset), number, 1, self.options.seed)[0]
        return self._batches([chosen[i:i + size] for i in range(0, number, size)])

    def _size(self) -> dict[str, int]:
        return dict(parameters=count_parameters(self.model), **count_flops(self.model, next(iter(self._calibration()))))

    def _distill(self, distillation: Distillation) -> tuple[list[float], float]:
        """Train the students; returns the loss of each step, and seconds."""
        losses, seconds, iters = [], 0., self.options.iters
        if self.work.piece('distillation.pt'):
            losses, seconds, state = self._load('distillation')
            distillation.load_state_dict(state)
        size = min(self.options.batch_size, len(self.dataset))
        batches = random_batches(len(self.dataset), size, iters, self.options.seed + 1)[distillation.iteration:]
        since = time.monotonic()
        with tqdm(desc='distillation', total=iters, unit=' steps', initial=distillation.iteration,
                  mininterval=0.1 if sys.stderr.isatty() else 30) as bar:
            for data in self._batches(batches):
                losses.append(distillation.step(data))
                bar.set_postfix(loss=f'{losses[-1]:.3f}', lr=f'{distillation.lr:.1e}', refresh=False)
                bar.update()
                elapsed = time.monotonic() - since
                if elapsed >= SAVE_SECONDS or distillation.iteration == iters:
                    since, seconds = since + elapsed, seconds + elapsed
                    self._save('distillation', (losses, seconds, distillation.state_dict()))
        return losses, seconds


def random_batches(num_images: int, batch_size: int, num_batches: int, seed: int) -> list[list[int]]:
    """Indices of images: all in a random order, then all in another one, cut into batches; alike for the same seed."""
    epochs = -(-num_batches * batch_size // num_images)
    orders = [np.random.default_rng((seed, epoch)).permutation(num_images) for epoch in range(epochs)]
    return np.concatenate(orders)[:num_batches * batch_size].reshape(num_batches, batch_size).tolist() if orders else []


def _leave_interrupts_to_main(worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
