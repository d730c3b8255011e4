"""CONFIG CHECKPOINT or MODEL: how a command line names a model, told apart from what follows."""
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

EXPORTED = frozenset(('.onnx', '.torchscript', '.xml', '.engine'))  # files with the weights inside
WEIGHTS = frozenset(('.pth', '.pt', '.ckpt', '.bin'))
_KINDS = {**dict.fromkeys(('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff'), 'an image'),
          **dict.fromkeys(('.mp4', '.avi', '.mov', '.mkv', '.webm'), 'a video'),
          **dict.fromkeys(('.txt', '.csv'), 'a list'), '.json': 'an annotation file',
          **dict.fromkeys(WEIGHTS, 'a checkpoint'), '.py': 'a config', **dict.fromkeys(EXPORTED, 'an exported model')}


class ModelArguments(NamedTuple):
    """A config or exported file; the checkpoint, None for an exported file; and the arguments behind them."""
    model: str
    checkpoint: str | None
    rest: list[str]


def split_arguments(arguments: Sequence[str]) -> ModelArguments:
    """Take CONFIG CHECKPOINT, or an exported MODEL alone, from the front of positional arguments.

    A config ends in .py; an exported model in .onnx, .torchscript, .engine or .xml, or is the folder of an OpenVINO
    model. Nothing is opened.

    Raises:
        ValueError: The first arguments are no model; the message says what they are.
    """
    model, *rest = arguments
    kind = kind_of(model)
    if kind == 'an exported model':
        if rest and kind_of(rest[0]) in ('a checkpoint', 'a config'):
            raise ValueError(f'{model} is an exported model, which has its weights inside, and {rest[0]} is '
                             f'{kind_of(rest[0])}: leave it out')
        return ModelArguments(model, None, rest)
    if kind != 'a config':
        behind = ', and the config comes before it' if kind == 'a checkpoint' else ''
        raise ValueError(f'the first argument should be a config (.py) or an exported model (.onnx, ...), but {model} '
                         f'is {kind}{behind}')
    if not rest:
        raise ValueError(f'{model} is a config: its CHECKPOINT should follow')
    checkpoint, *rest = rest
    if (kind := kind_of(checkpoint)) not in ('a checkpoint', 'a file'):
        raise ValueError(f'{model} is a config: the second argument should be its CHECKPOINT, but {checkpoint} is '
                         f'{kind}')
    return ModelArguments(model, checkpoint, rest)


def kind_of(name: str) -> str:
    """What an argument is: 'a config', 'a checkpoint', 'an exported model', 'an image', 'a folder', 'a camera', ..."""
    path = Path(name)
    if path.is_dir():
        return 'an exported model' if len(list(path.glob('*.xml'))) == 1 and list(path.glob('*.bin')) else 'a folder'
    if path.suffix.lower() in _KINDS:
        return _KINDS[path.suffix.lower()]
    if name.isdecimal() and not path.exists():
        return 'a camera'
    if any(letter in name for letter in '*?['):
        return 'a pattern'
    return 'a file' if path.is_file() or '://' in name else 'nothing that is there'
