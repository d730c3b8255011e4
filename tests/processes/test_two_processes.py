"""A step of two processes is that of one process with both halves of the batch, and they share an epoch."""
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from mmdet.registry import DATA_SAMPLERS
from processes.samplers import NUM_PAIRS, SAMPLERS, epochs
from processes.steps import BOXES, CAPTION, CONFIGS, Step, build, images, step
from torch.nn.parallel import DistributedDataParallel
from torch.testing import assert_close

from mmdet_ext.text.tokenizer_training import save_encoder_folder, train_tokenizer


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> Path:
    """What both processes saved, and the text encoder that they used."""
    folder = tmp_path_factory.mktemp('processes')
    save_encoder_folder(train_tokenizer([CAPTION], 300), folder / 'text', layers=1, hidden_size=32, heads=2, dropout=0.)
    processes = [get_context('fork').Process(target=run, args=(rank, folder)) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
    assert [process.exitcode for process in processes] == [0, 0]
    return folder


def run(rank: int, folder: Path) -> None:
    """A process of a distributed run on the CPU; saves what it gave."""
    dist.init_process_group('gloo', init_method=f'file://{folder}/store', rank=rank, world_size=2)
    outcome = {}
    for system in CONFIGS:
        # as mmengine's runner does before it wraps a model, which may lay out its weights then
        model = DistributedDataParallel(build(system, folder / 'text').to('cpu'))
        batches = dict(halves=images(BOXES[rank], 2 * rank), same=images(BOXES[0]))
        outcome[system] = {name: tuple(step(model, batch)) for name, batch in batches.items()}
    torch.save(dict(steps=outcome, epochs=epochs()), folder / f'{rank}.pth')
    dist.destroy_process_group()


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
