"""Files of the Hugging Face Hub, which a machine without a network finds in a folder or in the Hub's cache."""
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar('T')


def load_files(load: Callable[..., T], name: str, *, argument: str, what: str) -> T:
    """What `load(name, local_files_only=...)` gives for a folder or for a name on the Hub.

    A folder is read without asking the network. Of a name, the Hub's cache is tried before the Hub. Errors tell `what`
    is loaded, and what `argument` the user calls `name`.

    Raises:
        OSError: It is neither there nor to be downloaded.
        ValueError: It is there and cannot be read.
    """
    is_folder = Path(name).is_dir()
    if not is_folder and (Path(name).is_absolute() or name.startswith('.') or name.count('/') > 1):
        raise FileNotFoundError(f'{argument}={name}: there is no such folder (seen from {Path.cwd()})')
    for local in (True, ) if is_folder else (True, False):
        try:
            return load(name, local_files_only=local)
        except Exception as error:  # tokenizers raises nothing more special
            reason = error
    kind = OSError if isinstance(reason, OSError) else ValueError
    source, folder = ('roberta-base', name) if is_folder else (name, 'FOLDER')
    first_line = (str(reason) or repr(reason)).splitlines()[0].rstrip('.')
    raise kind(f'{argument}={name} gives no {what}: {first_line}. Where there is a network, '
               f'`hf download {source} --local-dir {folder}` loads the files; then {argument} may be that folder'
               ) from reason
