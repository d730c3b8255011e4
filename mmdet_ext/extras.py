"""Libraries that only some features need: they are imported when used, and a missing one names its extra."""
from importlib import import_module
from types import ModuleType


def import_extra(module: str, extra: str) -> ModuleType:
    """Import a module that comes with an extra of this package.

    Args:
        module: Full name, such as 'onnxruntime' or 'onnxruntime.quantization'.
        extra: Name of the extra in setup.py, such as 'export'.

    Raises:
        ImportError: The module is missing; the message gives the command that installs it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name and not f'{module}.'.startswith(f'{error.name}.'):
            raise  # the module is there, and lacks something of its own
        raise ImportError(f'{module.partition(".")[0]} is not installed: pip install "mmdet_ext[{extra}]"') from error
