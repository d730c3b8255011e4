"""Importing this module lets torch read mmengine's checkpoints, mmengine read files by the policy of
`checkpoints.file_policy`, and the package lvis run under NumPy 1.24 and later.

For the `custom_imports` of configs, so that whatever reads the config, mmdet's `DetInferencer` among others, can read
the checkpoints that were trained with it. `import mmdet_ext` does not import it.
"""
from typing import Any

from mmengine.runner import CheckpointLoader

from .patches import allow_lvis_evaluation, allow_mmengine_checkpoints


def load_from_file(filename: str, map_location: Any = None) -> dict[str, Any]:
    """What mmengine's `CheckpointLoader` calls for a file or a web address."""
    from ..checkpoints import file_policy  # only now: the package imports all models

    return file_policy.load_from_file(filename, map_location)


CheckpointLoader.register_scheme(prefixes=('', 'http://', 'https://'), loader=load_from_file, force=True)
allow_mmengine_checkpoints()
allow_lvis_evaluation()
