"""Compression of the dictionaries of a trained detector: usage, pruning, distillation, evaluation, report."""
import copy
import hashlib
import logging
import pickle
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn as nn
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.runner import Runner

from mmdet_ext.checkpoints.load import read_weights
from mmdet_ext.deployment import count_parameters

from .compressed_files import (check_builds, compressed_config, compressed_state, load_trained, replace_dictionaries,
                               save_atoms)
from .compression_report import count_flops, write_report
from .distillation import Distillation
from ..files import check_writable, replace_file
from .pictures import load_batches, random_batches, training_pictures
from .processes import StopRequest
from .progress import progress_bar
from .pruning import choose_atoms, number_to_keep, prune
from .state import Timer
from .usage import effective_number, find_dictionaries, measure_usage


@dataclass(frozen=True)
class CompressionOptions:
    """What decides the numbers of a compression.

    Args:
        keep: As in `number_to_keep`.
        by: As in `choose_atoms`.
        tau: As in `distillation_loss`.
        pixels: As in `distillation_loss`.
        match: As in `Distillation`.
        retrieved: As in `Distillation`.
        iters: Steps of distillation; 0 for pruning alone.
        lr: Learning rate at the start.
        batch_size: Pictures in a step.
        usage_images: Pictures for usage and agreement, all if there are no more.
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


class Compression:
    """Makes `folder`/compressed.pth and .py of a trained detector; what is done is kept in `folder`/state.pth.

    Args:
        cfg: Config of the trained detector.
        checkpoint: Its weights.
        folder: Where everything goes. What another `Compression` with the same arguments left there is gone on with.
        options: What decides the numbers.
        evaluate: Whether to evaluate the model before, after pruning and after distillation.

    Raises:
        ValueError: If something does not fit, or `folder` holds the state of other arguments.
    """

    def __init__(self, cfg: Config, checkpoint: str | Path, folder: Path, options: CompressionOptions, *,
                 evaluate: bool = True) -> None:
        if evaluate and not (cfg.get('val_dataloader') and cfg.get('val_evaluator')):
            raise ValueError(f'{cfg.filename} has no val_dataloader and val_evaluator: --no-eval goes without')
        self.cfg, self.checkpoint, self.folder, self.options = cfg, checkpoint, folder, options
        self.evaluates = evaluate
        self.model = load_trained(cfg, checkpoint).to(get_device())
        self.teachers = find_dictionaries(self.model)
        self.numbers = {name: number_to_keep(options.keep, rd.num_atoms) for name, rd in self.teachers.items()}
        self.small_cfg = compressed_config(cfg, options.keep)
        first = {name: prune(rd, range(self.numbers[name])) for name, rd in self.teachers.items()}
        check_builds(self.small_cfg, compressed_state(checkpoint, first))
        self.dataset = training_pictures(cfg)
        self.meta = dict(dataset_meta=read_weights(checkpoint).dataset_meta or dict(self.dataset.metainfo))
        self.state_file = folder / 'state.pth'
        check_writable(folder)
        self.progress = self._resume()

    def run(self, command: str = '') -> dict[str, Any]:
        """Do what is not done yet, and write the files; returns what report.json says.

        Raises:
            Interrupted: After SIGINT or SIGTERM during the distillation, when its state is saved.
        """
        self._evaluate('before')
        self._measure()
        students = self._prune()
        options = self.options
        distillation = Distillation(self.model, students, iters=options.iters, lr=options.lr, tau=options.tau,
                                    pixels=options.pixels, match=options.match, retrieved=options.retrieved,
                                    seed=options.seed)
        if not self.progress['agreement']:
            self._note('agreement', 'pruned', distillation.agreement(self._calibration()))
        self._distill(distillation)
        self._note('agreement', 'distilled', distillation.agreement(self._calibration()))
        self._save_model('compressed.pth', students)
        written = save_atoms(self.folder, self.teachers, students, self.progress['kept'], asdict(options))
        before = self._size()
        replace_dictionaries(self.model, students)
        self._evaluate('distilled')
        report = dict(
            command=command, config=str(self.cfg.filename), checkpoint=str(self.checkpoint), **asdict(options),
            pictures=len(self.dataset), before=before, after=self._size(), dictionaries=self._describe(students),
            metrics=self.progress['metrics'], losses=self.progress['losses'],
            seconds=round(self.progress['seconds'], 1),
            files=['compressed.pth', 'compressed.py', 'pruned.pth', *(path.name for path in written)])
        write_report(self.folder, report)
        self.state_file.unlink()
        return report

    def _resume(self) -> dict[str, Any]:
        identity = dict(asdict(self.options), CHECKPOINT=_digest(Path(self.checkpoint).read_bytes()),
                        CONFIG=_digest(repr((self.cfg.model, self.cfg.train_dataloader.dataset)).encode()))
        if not self.state_file.is_file():
            return dict(identity=identity, metrics={}, agreement={}, losses=[], seconds=0.0)
        try:
            progress = torch.load(self.state_file, map_location='cpu', weights_only=True)
        except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise ValueError(f'{self.state_file} is damaged: --overwrite begins anew') from error
        if changed := [name for name, value in identity.items() if progress['identity'].get(name) != value]:
            raise ValueError(f'{self.folder} holds an unfinished compression with another {", ".join(changed)}: give '
                             'the same to go on, or --overwrite to begin anew')
        return progress

    def _note(self, group: str, name: str, value: Any) -> None:
        self.progress[group][name] = value
        self._save_progress()

    def _save_progress(self) -> None:
        with replace_file(self.state_file) as file:
            torch.save(self.progress, file)

    def _save_model(self, name: str, students: dict[str, nn.Module]) -> None:
        with replace_file(self.folder / name) as file:
            torch.save(dict(state_dict=compressed_state(self.checkpoint, students), meta=self.meta), file)
        (self.folder / name).chmod(0o644)

    def _evaluate(self, stage: str) -> None:
        if self.evaluates and stage not in self.progress['metrics']:
            self._note('metrics', stage, evaluate(self.cfg, self.model, self.folder, stage))

    def _batches(self, batches: list[list[int]]) -> Iterable[dict]:
        return load_batches(self.dataset, batches, self.cfg.train_dataloader.get('num_workers', 0))

    def _calibration(self) -> Iterable[dict]:
        """The pictures on which usage and agreement are measured."""
        number, size = min(self.options.usage_images, len(self.dataset)), self.options.batch_size
        chosen = random_batches(len(self.dataset), number, 1, self.options.seed)[0]
        return self._batches([chosen[i:i + size] for i in range(0, number, size)])

    def _measure(self) -> None:
        if 'usage' not in self.progress:
            usage = self.progress['usage'] = measure_usage(self.model, self._calibration())
            self.progress['kept'] = {
                name: choose_atoms(rd.atoms, usage[name], self.numbers[name], self.options.by, self.options.seed)
                for name, rd in self.teachers.items()}
            self._save_progress()

    def _prune(self) -> dict[str, nn.Module]:
        students = {name: prune(rd, self.progress['kept'][name]) for name, rd in self.teachers.items()}
        self._save_model('pruned.pth', students)
        self.small_cfg.dump(self.folder / 'compressed.py')
        replace_dictionaries(self.model, students)
        self._evaluate('pruned')
        replace_dictionaries(self.model, self.teachers)
        return students

    def _distill(self, distillation: Distillation) -> None:
        if 'distillation' in self.progress:
            distillation.load_state_dict(self.progress['distillation'])
        start, iters = distillation.iteration, self.options.iters
        size = min(self.options.batch_size, len(self.dataset))
        batches = random_batches(len(self.dataset), size, iters, self.options.seed + 1)[start:]
        timer, since = Timer(), time.monotonic()
        with StopRequest() as stop, progress_bar('distillation', iters, 'steps', initial=start) as bar:
            for data in self._batches(batches):
                loss = distillation.step(data)
                self.progress['losses'].append(loss)
                bar.set_postfix(loss=f'{loss:.3f}', lr=f'{distillation.lr:.1e}', refresh=False)
                bar.update()
                stopping = stop.signal is not None  # asked once, so that nothing is raised before it is saved
                if timer.due() or stopping or distillation.iteration == iters:
                    self.progress['seconds'] += time.monotonic() - since
                    since = time.monotonic()
                    self.progress['distillation'] = distillation.state_dict()
                    self._save_progress()
                if stopping:
                    stop.check()

    def _size(self) -> dict[str, int]:
        flops = count_flops(self.model, next(iter(self._calibration())))
        return dict(parameters=count_parameters(self.model), **flops)

    def _describe(self, students: dict[str, nn.Module]) -> dict[str, dict[str, Any]]:
        usage, agreement = self.progress['usage'], self.progress['agreement']
        after = measure_usage(self.model, self._calibration())
        return {
            name: dict(
                kept=self.progress['kept'][name].tolist(), usage=usage[name].tolist(),
                atoms=(teacher.num_atoms, students[name].num_atoms),
                effective_atoms=(effective_number(usage[name]), effective_number(after[name])),
                parameters=(count_parameters(teacher), count_parameters(students[name])),
                pruned=agreement['pruned'][name], distilled=agreement['distilled'][name])
            for name, teacher in self.teachers.items()}


def evaluate(cfg: Config, model: nn.Module, folder: Path, name: str) -> dict[str, float]:
    """What the config's `val_evaluator` says of a model; logs go to `folder`/logs."""
    runner = Runner(
        model, str(folder / 'logs'), val_dataloader=copy.deepcopy(cfg.val_dataloader), val_cfg=dict(type='ValLoop'),
        val_evaluator=copy.deepcopy(cfg.val_evaluator),
        env_cfg=copy.deepcopy(cfg.get('env_cfg') or dict(dist_cfg=None)),
        default_scope=cfg.get('default_scope', 'mmdet'), randomness=dict(seed=0), log_level=logging.WARNING,
        experiment_name=f'{name}_{time.time_ns()}')
    return {key: float(value) for key, value in runner.val().items() if isinstance(value, (int, float))}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
