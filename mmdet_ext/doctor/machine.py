"""Checks of the machine: GPUs, threads, shared memory of the data workers."""
import os
import shutil
import subprocess
from pathlib import Path

from ..processes import machine_cores
from .finding import Finding, State

GROUP = 'Machine'
GIB = 1 << 30
LEAST_SHARED_MEMORY = GIB  # data workers hand their batches over in it; Docker's default is 64 MiB
LEAST_OPEN_FILES = 1024


def gpus() -> list[Finding]:
    """CUDA devices that torch sees, or why it sees none."""
    import torch

    if torch.cuda.is_available():
        return [_gpu(index) for index in range(torch.cuda.device_count())]
    names = _nvidia_smi()
    if not names:
        return [Finding(GROUP, 'GPU', State.OK, 'none; everything runs on the CPU')]
    if torch.version.cuda is None:
        return [Finding(GROUP, 'GPU', State.ERROR, f'{names[0]} is there, but torch {torch.__version__} is built for '
                        'the CPU', 'pip install --force-reinstall torch torchvision from the index for your CUDA; '
                        'https://pytorch.org/get-started/locally gives the command')]
    hidden = os.environ.get('CUDA_VISIBLE_DEVICES')
    if hidden is not None and not hidden.strip('-1 '):
        return [Finding(GROUP, 'GPU', State.WARNING, f'CUDA_VISIBLE_DEVICES={hidden!r} hides {names[0]}',
                        'unset CUDA_VISIBLE_DEVICES')]
    return [Finding(GROUP, 'GPU', State.ERROR, f'{names[0]} is there, but torch {torch.__version__} cannot use it: the '
                    f'driver is older than CUDA {torch.version.cuda} asks for', 'update the driver, or install a torch '
                    'for an older CUDA')]


def threads() -> list[Finding]:
    """Cores that this process may use, and threads that torch uses."""
    import torch

    cores = machine_cores()
    text = f'{torch.get_num_threads()} threads of torch on {cores} cores'
    if torch.get_num_threads() > cores:
        finding = Finding(GROUP, 'threads', State.WARNING, text, f'export OMP_NUM_THREADS={cores}')
    else:
        finding = Finding(GROUP, 'threads', State.OK, text)
    return [finding, *_open_files()]


def shared_memory() -> list[Finding]:
    """Size of /dev/shm."""
    folder = Path('/dev/shm')
    if not folder.is_dir():
        return []
    size = shutil.disk_usage(folder).free
    text = f'{size / GIB:.1f} GiB free in /dev/shm'
    if size >= LEAST_SHARED_MEMORY:
        return [Finding(GROUP, 'shared memory', State.OK, text)]
    return [Finding(GROUP, 'shared memory', State.WARNING, f'{text}; data workers may die with "Bus error"',
                    'docker run --shm-size=8g ..., or train_dataloader.num_workers=0')]


def _gpu(index: int) -> Finding:
    import torch

    properties = torch.cuda.get_device_properties(index)
    architecture = f'sm_{properties.major}{properties.minor}'
    text = f'{properties.name}, {properties.total_memory / GIB:.0f} GiB, {architecture}, CUDA {torch.version.cuda}'
    built = torch.cuda.get_arch_list()
    family = [name for name in built if name.startswith(f'sm_{properties.major}')]
    try:
        torch.ones(2, device=f'cuda:{index}').sum().item()
    except RuntimeError as error:
        return Finding(GROUP, f'GPU {index}', State.ERROR, f'{text}; cannot compute: {str(error).splitlines()[0]}',
                       f'install a torch that is built for {architecture} (this one: {", ".join(built)})')
    state = State.OK if family or not built else State.WARNING
    if state is State.OK:
        return Finding(GROUP, f'GPU {index}', state, text)
    return Finding(GROUP, f'GPU {index}', state, f'{text}; torch is built for {", ".join(built)}',
                   f'install a torch that is built for {architecture}')


def _nvidia_smi() -> list[str]:
    """Names of the GPUs that the driver knows."""
    if not shutil.which('nvidia-smi'):
        return []
    result = subprocess.run(['nvidia-smi', '--query-gpu=name', '--format=csv,noheader'], capture_output=True, text=True,
                            timeout=20, check=False)
    return result.stdout.split('\n')[:-1] if result.returncode == 0 else []


def _open_files() -> list[Finding]:
    try:
        import resource
    except ImportError:  # not on Windows
        return []
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY or limit >= LEAST_OPEN_FILES:
        return []
    return [Finding(GROUP, 'open files', State.WARNING, f'at most {limit}; data workers may fail with "Too many open '
                    'files"', 'ulimit -n 4096')]
