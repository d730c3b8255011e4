"""Importing this module lets torch read mmengine's checkpoints (see `compat.allow_mmengine_checkpoints`).

For the `custom_imports` of configs, so that whatever reads the config, mmdet's `DetInferencer` among others, can read the
checkpoints that were trained with it. `import mmdet_ext` does not import it.
"""
from .compat import allow_mmengine_checkpoints

allow_mmengine_checkpoints()
