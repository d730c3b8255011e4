"""One config per value of a key, to be trained side by side."""
import argparse
from collections.abc import Sequence
from pathlib import Path

from .. import launch
from ..config_options import ConfigOptions
from ..files import replace_file


def write_variants(config: str, key: str, values: Sequence[str], folder: Path) -> list[str]:
    """Write one config per value into a folder; returns their paths.

    Args:
        config: The base of all.
        key: What differs, such as ``model.backbone.rd.alpha``. What it is a key of must be in the config.
        values: As they stand on a command line, such as ``0.5``, ``True`` or ``(1,2)``.
        folder: Of the written files, which are named by key and value.

    Raises:
        ValueError: If the config has nothing of which this is a key, it stands for a dict, or two values are the same.
    """
    *parents, name = key.split('.')
    node = launch.load_config(config)._cfg_dict
    for number, parent in enumerate(parents, start=1):
        node = node.get(parent) if isinstance(node, dict) else None
        if not isinstance(node, dict):
            raise ValueError(f'{config} has no {".".join(parents[:number])}, of which {name} would be a key')
    if not parents and name not in node:
        raise ValueError(f'{config} has no {key}')
    if isinstance(node.get(name), dict):
        raise ValueError(f'{key} of {config} is a dict: give one of its keys, such as '
                         f'{key}.{next(iter(node[name]), "NAME")}')
    parser = argparse.ArgumentParser()
    parser.add_argument('options', nargs='*', action=ConfigOptions)
    texts = [repr(parser.parse_args([f'{name}={value}']).options[name]) for value in values]
    if len(set(texts)) < max(len(values), 2):
        raise ValueError(f'there should be two different values or more of {key}, got {" ".join(values)}')
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for value, text in zip(values, texts, strict=True):
        for part in reversed(key.split('.')[1:]):
            text = f'dict({part}={text})'
        safe = ''.join(c if c.isalnum() or c in '.-' else '_' for c in value)
        path = folder / f'{name}_{safe}.py'
        with replace_file(path) as file:
            file.write(f'_base_ = {str(Path(config).resolve())!r}\n\n{key.partition(".")[0]} = {text}\n'.encode())
        paths.append(str(path))
    return paths
