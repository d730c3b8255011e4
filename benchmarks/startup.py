"""What comes before and around the network: importing the package, and threads beside data workers on a CPU."""
import json
import re
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from tqdm import tqdm

from mmdet_ext.engine.threads_hook import process_cores
from mmdet_ext.shapes import ShapesConfig, make_shapes

from .measure import Measurement, Row
from .processes import run

CONFIG = 'configs/yolov9/yolov9t_shapes.py'
BUSY = 'import os; parent = os.getppid()\nwhile os.getppid() == parent: pass'
CHOOSING = 14  # iterations until the hook has chosen between two numbers, and one more


def imports(repeats: int = 5) -> list[Row]:
    """Time and memory of an interpreter that imports mmdet, and of one that imports mmdet_ext, in turn."""
    statements = ('import mmdet', 'import mmdet_ext')
    measured: dict[str, list[Measurement]] = {statement: [] for statement in statements}
    for i in tqdm(range(repeats + 1), desc='imports', leave=False):
        for statement in statements:
            code = f'import time\nstart = time.perf_counter()\n{statement}\nprint(time.perf_counter() - start)'
            finished = run([sys.executable, '-W', 'ignore', '-c', code])
            if i:  # the first ones read the files from the disk
                measured[statement].append(Measurement(float(finished.printed.split()[-1]), finished.peak_bytes))
    return [(statement, Measurement(*map(median, zip(*rows)))) for statement, rows in measured.items()]


def threads(checkout: Path, *, size: int = 160, batch: int = 8, iters: int = 6, busy: bool = False) -> list[Row]:
    """Time of a training iteration of YOLOv9-T with one data worker on the CPU, by how the threads are chosen.

    Forms are the cores that the worker leaves, and `ThreadsHook`. Beside a process that takes one core all the time
    there is a third, all cores: the slow-down that the hook must not keep. The last `iters` iterations count, of the
    slow-down two. `checkout` has tools/ and configs/; images have a side of `size` pixels.
    """
    cores = process_cores()
    forms = [(f'threads that leave one of {cores} cores', dict(OMP_NUM_THREADS=str(max(1, cores - 1))), iters),
             ('ThreadsHook', {}, iters), ('threads on all cores', dict(OMP_NUM_THREADS=str(cores)), 2)]
    rows = []
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        make_shapes(folder / 'data/shapes', ShapesConfig(train=batch * (CHOOSING + iters + 1), val=0, test=0))
        config = write_config(checkout, folder, size, batch)
        if busy:
            stack.callback(stack.enter_context(subprocess.Popen([sys.executable, '-c', BUSY])).kill)
        for label, env, count in tqdm(forms if busy else forms[:2], desc='threads', leave=False):
            work_dir = tempfile.mkdtemp(dir=folder)
            images = batch * (count + (2 if env else CHOOSING))
            finished = run([sys.executable, '-W', 'ignore', checkout / 'tools/train.py', config, '--work-dir', work_dir,
                            '--no-report', '--cfg-options', f'train_dataloader.dataset.dataset.indices={images}'], env,
                           folder)
            scalars, = Path(work_dir).glob('*/vis_data/scalars.json')
            logged = map(json.loads, scalars.read_text(encoding='utf-8').splitlines())
            seconds = [values['time'] for values in logged if 'time' in values]
            if chosen := re.search(r'Threads: (\d+) on', finished.printed):
                label += f' (chooses {chosen[1]})'
            label += ', beside a busy process' * busy
            rows.append((label, Measurement(median(seconds[-count:]), finished.peak_bytes)))
    return rows


def write_config(checkout: Path, folder: Path, size: int, batch: int) -> Path:
    """A config of one epoch without validation, as `CONFIG` with images of another size and another batch."""
    text = (checkout / CONFIG).read_text(encoding='utf-8')
    for pattern, value in ((r"'\.\./_base_", f"'{checkout}/configs/_base_"),
                           (r'\bimage_size = \d+', f'image_size = {size}'),
                           (r'\bbatch_size = \d+', f'batch_size = {batch}')):
        text, count = re.subn(pattern, value, text)
        if not count:
            raise ValueError(f'{CONFIG} has no {pattern}')
    path = folder / 'threads.py'
    path.write_text(text + '''
train_cfg = dict(max_epochs=1)
val_cfg = val_dataloader = val_evaluator = None
default_hooks.update(
    logger=dict(interval=1),
    close_mosaic=dict(num_last_epochs=0),
    checkpoint=dict(interval=-1, save_last=False, save_best=None))
log_processor = dict(window_size=1)
''')
    return path
