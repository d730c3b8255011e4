"""A folder with a handful of Shapes pictures to run the command lines in, and the package as its wheel installs it."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmdet_ext.datasets.shapes import ShapesConfig, make_shapes

ROOT = Path(__file__).resolve().parents[2]

@pytest.fixture(scope='session')
def fast() -> list[str]:
    """Options that make one epoch of a Shapes config two iterations."""
    no_workers = (f'{split}_dataloader.{option}' for split in ('train', 'val', 'test')
                  for option in ('num_workers=0', 'persistent_workers=False'))
    return ['--cfg-options', 'train_cfg.max_epochs=1', 'train_cfg.val_interval=1', 'train_dataloader.batch_size=4',
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
def installed(wheel, tmp_path_factory) -> Path:
    """A folder with the wheel installed, for PYTHONPATH."""
    folder = tmp_path_factory.mktemp('site')
    command = [sys.executable, '-m', 'pip', 'install', '-q', '--no-index', '--no-deps', '-t', str(folder), str(wheel)]
    subprocess.run(command, check=True)
    return folder
