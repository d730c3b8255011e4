"""Cores of a machine, and how many processes of a distributed run share them."""
import os
import re

# Set by torchrun, by Open MPI and by Slurm, the last one as "8" or "8(x2)".
VARIABLES = ('LOCAL_WORLD_SIZE', 'OMPI_COMM_WORLD_LOCAL_SIZE', 'SLURM_STEP_TASKS_PER_NODE', 'SLURM_NTASKS_PER_NODE')


def local_processes() -> int:
    """Processes of this run on this machine, as its launcher says; 1 where none says anything."""
    for variable in VARIABLES:
        number = re.match(r'\d+', os.environ.get(variable, ''))
        if number:
            return max(1, int(number[0]))
    return 1


def machine_cores() -> int:
    """Cores that this process may run on; all of them where the system does not say (macOS, Windows)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
