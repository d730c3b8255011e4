"""Free memory of this machine."""
from pathlib import Path

import psutil


def available_memory() -> int:
    """Free bytes of memory, of the machine or, if less, of the container."""
    free = psutil.virtual_memory().available
    limit, used = (Path('/sys/fs/cgroup', f'memory.{name}') for name in ('max', 'current'))
    if limit.is_file() and (value := limit.read_text(encoding='utf-8').strip()) != 'max':
        free = min(free, max(int(value) - int(used.read_text(encoding='utf-8')), 0))
    return free
