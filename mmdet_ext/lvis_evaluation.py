"""Importing this module lets mmdet's LVIS metrics run under today's numpy (see `compat.allow_lvis_evaluation`).

For the `custom_imports` of configs that evaluate on LVIS. `import mmdet_ext` does not import it.
"""
from .compat import allow_lvis_evaluation

allow_lvis_evaluation()
