"""A process that tries some configs: `python -m mmdet_ext.experiments.families.worker ROWS TEXTS RUNS CONFIG ...`.

It is started by `run`, because a config may end its process, and because operators are chosen before mmdet is imported.
"""
import gc
import logging
import sys
import warnings
from pathlib import Path


def main(rows: str, texts: str, runs: str, *configs: str) -> None:
    """Add one row for each config to the file of rows."""
    warnings.simplefilter('ignore')  # of mmdet, mmcv and torch about their own code

    import torch
    from mmdet.utils import register_all_modules
    from mmengine.logging import MMLogger

    from ... import operators as own
    from ...compat import apply  # noqa: F401  as configs with this package do
    from .row import COMPILED, STAND_IN, write_row
    from .trial import try_config

    torch.set_num_threads(1)  # so that times can be compared
    register_all_modules(init_default_scope=True)
    MMLogger.get_current_instance().setLevel(logging.WARNING)
    operators = STAND_IN if own.in_use() else COMPILED
    for config in configs:
        write_row(Path(rows), try_config(config, operators, Path(texts), runs=int(runs)))
        gc.collect()


if __name__ == '__main__':
    main(*sys.argv[1:])
