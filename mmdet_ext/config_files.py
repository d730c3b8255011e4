"""Where the configs and tools of this package lie, in a checkout and in an installed package."""
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def config_folder() -> Path:
    """The folder `configs`, of the checkout or of the installed package."""
    return _folder('configs', '_base_/yolov9_model.py')


def tool_folder() -> Path:
    """The folder `tools`, of the checkout or of the installed package."""
    return _folder('tools', 'train.py')


def config_file(name: str) -> str:
    """Path of one of the configs of this package, for a config in any other folder.

        _base_ = __import__('mmdet_ext').config_file('yolov9/yolov9s_coco.py')

    mmengine evaluates `_base_` by itself, before the imports of the file, and takes 'mmdet_ext::...' for an error.

    Args:
        name: Path below `configs`.

    Raises:
        FileNotFoundError: There is no such config.
    """
    path = config_folder() / name
    if not path.is_file():
        raise FileNotFoundError(f'mmdet_ext has no config {name} in {config_folder()}')
    return str(path)


def _folder(name: str, file: str) -> Path:
    for folder in (PACKAGE.parent / name, PACKAGE / '.mim' / name):
        if (folder / file).is_file():
            return folder
    raise FileNotFoundError(f'mmdet_ext has no {name}, neither in {PACKAGE.parent} nor in {PACKAGE / ".mim"}: '
                            'install it again')
