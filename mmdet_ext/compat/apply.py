"""Importing this module lets torch read mmengine's checkpoints, and the package lvis run under NumPy 1.24 and later.

For the `custom_imports` of configs, so that whatever reads the config, mmdet's `DetInferencer` among others, can read
the checkpoints that were trained with it. `import mmdet_ext` does not import it.
"""
from .patches import allow_lvis_evaluation, allow_mmengine_checkpoints

allow_mmengine_checkpoints()
allow_lvis_evaluation()
