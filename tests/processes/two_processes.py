"""Two processes of a distributed run on the CPU; each saves what it gave as FOLDER/RANK.pth.

    python two_processes.py FOLDER
"""
import multiprocessing
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
import torch.distributed as dist
from processes.samplers import epochs
from processes.steps import BOXES, CONFIGS, build, images, step
from torch.nn.parallel import DistributedDataParallel


def run(rank: int, folder: Path) -> None:
    dist.init_process_group('gloo', init_method=f'file://{folder}/store', rank=rank, world_size=2)
    outcome = {}
    for system in CONFIGS:
        # as mmengine's runner does before it wraps a model, which may lay out its weights then
        model = DistributedDataParallel(build(system, folder / 'text').to('cpu'))
        batches = dict(halves=images(BOXES[rank], 2 * rank), same=images(BOXES[0]))
        outcome[system] = {name: tuple(step(model, batch)) for name, batch in batches.items()}
    torch.save(dict(steps=outcome, epochs=epochs()), folder / f'{rank}.pth')
    dist.destroy_process_group()


if __name__ == '__main__':
    # what is imported is imported once: the processes are forks of this one
    context = multiprocessing.get_context('fork')
    processes = [context.Process(target=run, args=(rank, Path(sys.argv[1]))) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    sys.exit(max(process.exitcode != 0 for process in processes))
