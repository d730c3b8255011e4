"""A step of two processes is that of one process with both halves of the batch, and they share an epoch."""
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmdet.registry import DATA_SAMPLERS
from processes.samplers import NUM_PAIRS, SAMPLERS
from processes.steps import BOXES, CAPTION, CONFIGS, Step, build, images, step
from torch.testing import assert_close

from mmdet_ext.text.tokenizer_training import save_encoder_folder, train_tokenizer


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> Path:
    """What both processes saved, and the text encoder that they used."""
    folder = tmp_path_factory.mktemp('processes')
    save_encoder_folder(train_tokenizer([CAPTION], 300), folder / 'text', layers=1, hidden_size=32, heads=2, dropout=0.)
    subprocess.run([sys.executable, '-W', 'ignore', str(Path(__file__).with_name('two_processes.py')), str(folder)],
                   check=True, timeout=300)
    return folder


@pytest.fixture(scope='module')
def outcomes(folder) -> list[dict]:
    return [torch.load(folder / f'{rank}.pth', weights_only=False) for rank in range(2)]


def mean_of(outcomes: list[dict], system: str, batch: str) -> Step:
    """Losses averaged over the processes; gradients, which DistributedDataParallel has averaged."""
    steps = [Step(*outcome['steps'][system][batch]) for outcome in outcomes]
    for name, gradient in steps[0].gradients.items():
        assert_close(gradient, steps[1].gradients[name], rtol=0, atol=0)
    return Step({name: (value + steps[1].losses[name]) / 2 for name, value in steps[0].losses.items()},
                steps[0].gradients)


def assert_same(result: Step, expected: Step) -> None:
    assert_close(result.losses, expected.losses, rtol=1e-5, atol=1e-6)
    largest = max(gradient.abs().max() for gradient in expected.gradients.values())
    assert largest > 0
    assert_close(result.gradients, expected.gradients, rtol=1e-4, atol=1e-5 * largest.item())


@pytest.mark.parametrize('system', [system for system in CONFIGS if system != 'yolov9'])
def test_two_halves_of_a_batch_are_the_whole(folder, outcomes, system):
    full_step = step(build(system, folder / 'text'), images(sum(BOXES, ())))
    assert_same(mean_of(outcomes, system, 'halves'), full_step)


def test_yolov9_sums_over_the_images_of_all_processes(folder, outcomes):
    """As published, each divides by its own scores: steps add up, and are the whole where these are equal."""
    model = build('yolov9', folder / 'text')
    halves = [step(model, images(boxes, 2 * rank)) for rank, boxes in enumerate(BOXES)]
    total = Step(*({name: value + halves[1][i][name] for name, value in halves[0][i].items()} for i in range(2)))
    assert_same(mean_of(outcomes, 'yolov9', 'halves'), total)
    once = images(BOXES[0])
    twice = dict(inputs=once['inputs'].repeat(2, 1, 1, 1), data_samples=once['data_samples'] * 2)
    assert_same(mean_of(outcomes, 'yolov9', 'same'), step(model, twice))


@pytest.mark.parametrize('name', SAMPLERS)
def test_the_processes_share_an_epoch(outcomes, name):
    parts = [outcome['epochs'][name] for outcome in outcomes]
    assert len(parts[0]) == len(parts[1])
    assert sorted(parts[0] + parts[1]) == list(range(NUM_PAIRS))


def test_every_sampler_of_ours_is_among_them():
    samplers = {name for name, cls in DATA_SAMPLERS.module_dict.items() if cls.__module__.startswith('mmdet_ext.')}
    assert samplers == SAMPLERS.keys()
