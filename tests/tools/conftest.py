"""A folder with a handful of Shapes images to run the command lines in, and the package as its wheel installs it."""
import os
import runpy
import subprocess
import sys
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmdet_ext.shapes import ShapesConfig, make_shapes

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='session')
def fast() -> list[str]:
    """Options that make one epoch of a Shapes config two iterations of small images."""
    no_workers = (f'{split}_dataloader.{option}' for split in ('train', 'val', 'test')
                  for option in ('num_workers=0', 'persistent_workers=False'))
    return ['--cfg-options', 'image_size=64', 'default_hooks.report=None', 'train_cfg.max_epochs=1',
            'train_cfg.val_interval=1', 'train_dataloader.batch_size=4',
            'optim_wrapper.paramwise_cfg.batch_size_per_gpu=4', *no_workers]


@pytest.fixture(scope='session')
def workplace(tmp_path_factory) -> Path:
    """A folder that is not the checkout, with data/shapes where the Shapes configs look for it."""
    folder = tmp_path_factory.mktemp('workplace')
    make_shapes(folder / 'data' / 'shapes', ShapesConfig(train=8, val=4, test=4))
    return folder


@pytest.fixture(scope='session')
def call(workplace):
    """Run a command in the workplace, with PYTHONPATH set to `path` and further variables; returns what it printed."""

    def run(*command: object, code: int = 0, path: Path = ROOT, **env: str) -> str:
        result = subprocess.run(
            list(map(str, command)), cwd=workplace, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=300, env=os.environ | dict(PYTHONPATH=str(path), PYTHON=sys.executable) | env)
        assert result.returncode == code, f'exit code {result.returncode} of {command}:\n{result.stdout[-6000:]}'
        return result.stdout

    return run


@pytest.fixture(scope='session')
def fork(workplace, tmp_path_factory):
    """Run a tool as `call` does, but in a fork of this process, which has imported everything; returns what it printed.

    Variables of the environment are changed as `env` says; those that are None are taken out. Several processes get
    those that torchrun sets, and what the first printed is returned.
    """

    def run(tool: Path, *arguments: object, code: int = 0, processes: int = 1, **env: str | None) -> str:
        folder, started = tmp_path_factory.mktemp('fork'), []
        for rank in map(str, range(processes)):
            if processes > 1:
                env |= dict(RANK=rank, LOCAL_RANK=rank, WORLD_SIZE=str(processes), MASTER_ADDR='127.0.0.1')
            started.append(get_context('fork').Process(
                target=_run_tool, args=(tool, arguments, workplace, folder / rank, dict(env))))
            started[-1].start()
        for rank, process in enumerate(started):
            process.join(300)
            printed = (folder / str(rank)).read_text()
            assert process.exitcode == code, f'exit code {process.exitcode} of {tool} {arguments}:\n{printed[-6000:]}'
        return (folder / '0').read_text()

    return run


def _run_tool(tool: Path, arguments: tuple[object, ...], folder: Path, log: Path, env: dict[str, str | None]) -> None:
    os.chdir(folder)
    for name, value in env.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    with open(log, 'w', buffering=1) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        sys.stdout = sys.stderr = file
        sys.argv = [str(tool), *map(str, arguments)]
        runpy.run_path(str(tool), run_name='__main__')


@pytest.fixture(scope='session')
def installed(wheel, tmp_path_factory) -> Path:
    """A folder with the wheel installed, for PYTHONPATH."""
    folder = tmp_path_factory.mktemp('site')
    command = [sys.executable, '-m', 'pip', 'install', '-q', '--no-index', '--no-deps', '-t', str(folder), str(wheel)]
    subprocess.run(command, check=True)
    return folder


@pytest.fixture
def in_process(monkeypatch, capfd):
    """Run a tool in this process; returns its message at the exit ('' if it went well) and what was printed."""

    def run(tool: str, *arguments: object) -> tuple[str, str]:
        monkeypatch.setattr(sys, 'argv', [tool, *map(str, arguments)])
        code = 0
        try:
            runpy.run_path(tool, run_name='__main__')
        except SystemExit as error:
            code = error.code or 0
        captured = capfd.readouterr()
        if isinstance(code, str):
            return code, captured.out
        message = captured.err[captured.err.rfind(f'{Path(tool).name}: '):].strip()  # below what bars have drawn
        return message if code else '', captured.out

    return run


@pytest.fixture(scope='module')
def random_state(request) -> dict[str, torch.Tensor]:
    """Random weights of the model of the test module's CONFIG."""
    init_default_scope('mmdet')
    torch.manual_seed(0)
    return MODELS.build(Config.fromfile(request.module.CONFIG).model).state_dict()


@pytest.fixture(scope='module')
def random_checkpoint(random_state, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp('trained') / 'random.pth'
    torch.save(dict(state_dict=random_state), path)
    return path


@pytest.fixture
def draw(request, workplace, random_checkpoint, tmp_path, monkeypatch, in_process):
    """Run the test module's TOOL, which draws; returns its message at the exit, what it printed, and its files."""
    module = request.module

    def run(*arguments: object, config: str = module.CONFIG,
            weights: object = random_checkpoint) -> tuple[str, str, list[str]]:
        monkeypatch.chdir(workplace)
        message, out = in_process(module.TOOL, config, weights, *arguments, '--out', tmp_path / 'out',
                                  '--device', 'cpu')
        return message, out, sorted(path.name for path in (tmp_path / 'out').glob('*'))

    return run
