"""Write the report of a run when its training ends."""
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TextIO

from mmdet.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

# What a launcher tells its processes: the report is made by one process that belongs to no group.
LAUNCHER_VARIABLES = ('RANK', 'LOCAL_RANK', 'GROUP_RANK', 'ROLE_RANK', 'WORLD_SIZE', 'LOCAL_WORLD_SIZE',
                      'GROUP_WORLD_SIZE', 'ROLE_WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT')


@HOOKS.register_module()
class ReportHook(Hook):
    """Write WORK_DIR/report/report.html at the end of a training, from its best checkpoint or else its last one.

    For any config of mmdet: `custom_hooks = [dict(type='ReportHook')]`, with `custom_imports = dict(imports=
    ['mmdet_ext'])`. The report needs the extra `mmdet_ext[report]`.

    The main process starts ``python -m mmdet_ext.report WORK_DIR`` and waits for it, the others end. Whatever happens
    there, the training ends as it would without the hook: a failure is logged with its last line and with the command
    that repeats it.

    Args:
        split: 'val' or 'test': the data set that the checkpoint is evaluated on.
        options: Further arguments of ``python -m mmdet_ext.report``.
    """

    priority = 'LOWEST'  # after CheckpointHook

    def __init__(self, split: str = 'val', options: list[str] | None = None) -> None:
        if split not in ('val', 'test'):
            raise ValueError(f"ReportHook.split should be 'val' or 'test', got {split!r}")
        self.split = split
        self.options = list(options or ())

    def after_train(self, runner: Runner) -> None:
        if not is_main_process():
            return
        command = self.command(runner)
        errors = Path(runner.work_dir, 'report', 'errors.txt')
        page = errors.with_name('report.html')
        runner.logger.info(f'The report of this run is being written to {page}.')
        try:
            errors.parent.mkdir(parents=True, exist_ok=True)
            with open(errors, 'w+', encoding='utf-8') as file:
                code = subprocess.run(command, stdout=_stdout(), stderr=file, env=_environment()).returncode
                file.seek(0)
                lines = [line.strip() for line in file.read().splitlines() if line.strip()]
            if code == 0:
                errors.unlink()
            if code in (0, 1):
                left_out = [line for line in lines if line.startswith('left out: ')]
                runner.logger.info('; '.join([f'The report is {page.resolve()}', *left_out]))
                return
            reason = lines[-1] if lines else f'exit status {code}'
        except OSError as error:
            reason = str(error)
        except KeyboardInterrupt:
            reason = 'interrupted'
        runner.logger.error(f'The training is complete, but its report could not be written: {reason}. To repeat it: '
                            f'{shlex.join(command)}')

    def command(self, runner: Runner) -> list[str]:
        """The command that writes the report."""
        config = runner.cfg.filename
        base = ['--base', str(Path(config).resolve())] if config and Path(config).is_file() else []
        return [sys.executable, '-m', 'mmdet_ext.report', str(Path(runner.work_dir).resolve()), '--split', self.split,
                *base, *self.options]


def _stdout() -> TextIO | None:
    """Where this process prints, also if that was redirected to another file; None: as it was started."""
    try:
        sys.stdout.fileno()
    except (AttributeError, OSError, ValueError):
        return None
    return sys.stdout


def _environment() -> dict[str, str]:
    """The variables of this process without its launcher's, and with its import path."""
    kept = {name: value for name, value in os.environ.items()
            if name not in LAUNCHER_VARIABLES and not name.startswith(('TORCHELASTIC_', 'SLURM_', 'OMPI_', 'PMI_'))}
    return kept | dict(PYTHONPATH=os.pathsep.join(filter(None, sys.path)))
