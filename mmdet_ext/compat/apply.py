"""After this module is imported, torch reads mmengine's checkpoints, mmengine loads files by the rules of
`checkpoints.file_policy` and works without pkg_resources (setuptools 82) and `pkgutil.find_loader` (Python 3.14), the
package lvis runs with NumPy 1.24 and later, models of mmdet are mended (`mmdet_models`), `config_variables` are applied
to each config that is read, a run keeps the config file that it was started with and lays out its text once.

Configs have it in `custom_imports`, so that every program that reads the config, such as mmdet's `DetInferencer`, can
also read checkpoints that were trained with it. `import mmdet_ext` does not import it.
"""
from typing import Any

from mmengine.runner import CheckpointLoader

from ..locations import add_model_patches
from .config_patches import apply_config_variables, format_configs_once, keep_config_files
from .patches import allow_lvis_evaluation, allow_mmengine_checkpoints
from .removed_functions import replace_removed_functions


def load_from_file(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Called by mmengine's `CheckpointLoader` for a file or a web address."""
    from ..checkpoints import file_policy  # only now: the package imports all models

    return file_policy.load_from_file(filename, map_location)


CheckpointLoader.register_scheme(prefixes=('', 'http://', 'https://'), loader=load_from_file, force=True)
add_model_patches()
replace_removed_functions()
allow_mmengine_checkpoints()
allow_lvis_evaluation()
apply_config_variables()
keep_config_files()
format_configs_once()
