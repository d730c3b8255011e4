"""Libraries that only some features need: they are imported when used, and a missing one names its extra."""
import os
from importlib import import_module
from types import ModuleType

# Some libraries report their use to their makers, unless a variable is set before they are imported: onnxruntime to
# mobile.events.data.microsoft.com from its first session on, which its `disable_telemetry_events` does not stop.
_SILENT = {'onnxruntime': ('ORT_DISABLE_TELEMETRY', '1'), 'gradio': ('GRADIO_ANALYTICS_ENABLED', 'False')}


def import_extra(module: str, extra: str) -> ModuleType:
    """Import a module that comes with an extra of this package. It is told to report nothing to its makers, unless the
    environment says otherwise.

    Args:
        module: Full name, such as 'onnxruntime' or 'onnxruntime.quantization'.
        extra: Name of the extra in setup.py, such as 'export'.

    Raises:
        ImportError: The module is missing; the message gives the command that installs it.
    """
    library = module.partition('.')[0]
    if library in _SILENT:
        os.environ.setdefault(*_SILENT[library])
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name and not f'{module}.'.startswith(f'{error.name}.'):
            raise  # the module is there, and lacks something of its own
        raise ImportError(f'{library} is not installed: pip install "mmdet_ext[{extra}]"') from error
