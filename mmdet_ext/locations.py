"""Tell mmdet's registries which packages have our classes; they are imported at the first look-up of a `type`.

Our classes derive from classes of mmdet, and importing all of mmdet takes several seconds. `import mmdet` avoids that:
each of its registries has a list of packages (mmengine's `locations`) that it imports when it first looks up a `type`.
Our packages are added to these lists, so that a class is found wherever mmdet's own are, in whatever order mmdet_ext
and the parts of mmdet are imported and types are looked up. A process that unpickles our data sets (a spawned data
worker) imports this module on the way and finds them too.

Like mmdet's own, our classes are in `module_dict` only after a look-up or an import of their package. Three ways bypass
the lists: `module_dict` itself, the counts of `mmengine.registry.count_registered_modules`, and registries whose parent
is one of mmdet's. Code that uses one of these must import `mmdet_ext.models` and the other packages by name.
"""
from importlib import import_module

import mmdet.registry
from mmengine.registry import Registry

LOCATIONS = {  # registry of mmdet: our packages that register into it
    'MODELS': ('models', 'engine'),
    'TASK_UTILS': ('models', ),
    'DATASETS': ('datasets', ),
    'DATA_SAMPLERS': ('datasets', ),
    'TRANSFORMS': ('datasets', ),
    'METRICS': ('evaluation', ),
    'HOOKS': ('engine', 'report.hook'),
    'OPTIM_WRAPPERS': ('engine', ),
    'OPTIM_WRAPPER_CONSTRUCTORS': ('engine', ),
    'PARAM_SCHEDULERS': ('engine', ),
    'VISUALIZERS': ('visualization', ),
}
PACKAGES = {package for packages in LOCATIONS.values() for package in packages}


def add_locations() -> None:
    """Add our packages to the locations of mmdet's registries; import them where a registry has imported its own."""
    late = [package for name, packages in LOCATIONS.items() if _add(getattr(mmdet.registry, name), packages)
            for package in packages]
    for package in dict.fromkeys(late):
        import_module(f'{__package__}.{package}')


def add_model_patches() -> None:
    """Let mmdet's registry of models import `compat.mmdet_models`, or do so now if it has imported its locations."""
    module = 'compat.mmdet_models'
    if f'{__package__}.{module}' not in mmdet.registry.MODELS._locations and _add(mmdet.registry.MODELS, (module, )):
        import_module(f'{__package__}.{module}')


def _add(registry: Registry, packages: tuple[str, ...]) -> bool:
    """Add to one registry's locations; returns whether it has imported its locations already, and will not again."""
    # mmengine takes locations in the constructor only; in place, because a look-up may be going through the list
    registry._locations += [f'{__package__}.{package}' for package in packages]
    return registry._imported
