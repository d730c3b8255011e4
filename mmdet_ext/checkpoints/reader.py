"""Read a published checkpoint: its weights, and what it says about itself."""
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from torch import Tensor

from ..unpickler import CheckpointError, StandIn, TensorRef
from .container import Container, StreamContainer, ZipContainer

# Where the weights are, the better ones first: the averaged ones of a training that was still running.
WEIGHTS = ('ema', 'model_ema', 'model', 'state_dict')
MAX_DEPTH = 64
MAX_TENSORS = 100_000


class Published(NamedTuple):
    """A published file.

    Attributes:
        state_dict: Name -> tensor, with the names and dtypes of the file.
        source: The entry of the file that the weights come from: ema, model_ema, model, state_dict, or '' for a file
            that is nothing but weights.
        class_names: Names of the classes; empty where the file has none.
        meta: The file's other entries that are plain numbers or strings (epoch, date, ...).
        args: The training's arguments where the file has an `argparse.Namespace` of them.
        path: The file.
    """
    state_dict: dict[str, Tensor]
    source: str
    class_names: tuple[str, ...]
    meta: dict[str, Any]
    args: dict[str, Any]
    path: str


def read_checkpoint(path: str | os.PathLike) -> Published:
    """Read a file of `torch.save` without running anything from it and without the classes that it names.

    Whole pickled modules, state dicts alone or as an entry (`model`, `state_dict`), and averaged weights beside them.

    Raises:
        OSError: The file cannot be opened.
        CheckpointError: It is no checkpoint, damaged, or names something that no checkpoint needs.
    """
    path = os.fspath(path)
    with open(path, 'rb') as file:
        try:
            return _read(ZipContainer(file, path) if _is_zip(file) else StreamContainer(file, path))
        except CheckpointError:
            raise
        except zipfile.BadZipFile as error:
            raise CheckpointError(f'{path}: a damaged or incomplete zip archive ({error})') from error
        except Exception as error:  # a broken pickle can raise anything
            raise CheckpointError(f'{path}: not a checkpoint of torch.save, or damaged ({error!r})') from error


def _is_zip(file: Any) -> bool:
    start = file.read(4)
    file.seek(0)
    return start == b'PK\x03\x04'


def _read(container: Container) -> Published:
    root, path = container.root, container.path
    entries = root if isinstance(root, Mapping) else {}
    source = next((name for name in WEIGHTS if entries.get(name) is not None), '')
    weights = entries[source] if source else root
    state_dict = {name: container.tensor(ref) for name, ref in _named_tensors(weights, source, path)}
    if not state_dict:
        raise CheckpointError(f'{path}: no weights in it, entries: {", ".join(map(str, entries)) or "none"}')
    args = entries.get('args')
    return Published(
        state_dict, source, _class_names(weights), _plain(entries if source else {}),
        _plain(args.state if isinstance(args, StandIn) else {}), path)


def _named_tensors(weights: Any, source: str, path: str) -> Iterable[tuple[str, TensorRef]]:
    """The tensors of a pickled module or of a state dict, in their order."""
    if _is_module(weights):
        tensors = list(islice(_module_tensors(weights, '', (), path), MAX_TENSORS + 1))
    elif isinstance(weights, Mapping):
        tensors = list(weights.items())
    else:
        raise CheckpointError(f'{path}: no weights in it' + (f', {source!r} is no module' if source else ''))
    if len(tensors) > MAX_TENSORS:
        raise CheckpointError(f'{path}: more than {MAX_TENSORS} tensors')
    for name, ref in tensors:
        if not isinstance(name, str) or not isinstance(ref, TensorRef):
            raise CheckpointError(f'{path}: {name!r} among the weights is no tensor')
    return tensors


def _module_tensors(module: StandIn, prefix: str, parents: tuple[int, ...], path: str) -> Iterator[tuple[str, Any]]:
    """What `module.state_dict()` would give."""
    if id(module) in parents or len(parents) > MAX_DEPTH:
        raise CheckpointError(f'{path}: module {prefix!r} contains itself, or lies deeper than {MAX_DEPTH} levels')
    state = module.state
    transient = state.get('_non_persistent_buffers_set', ())
    for kind in ('_parameters', '_buffers'):
        for name, ref in state[kind].items():
            if ref is not None and not (kind == '_buffers' and name in transient):
                yield prefix + name, ref
    for name, child in state['_modules'].items():
        if child is not None:
            yield from _module_tensors(child, f'{prefix}{name}.', (*parents, id(module)), path)


def _is_module(value: Any) -> bool:
    return isinstance(value, StandIn) and '_modules' in value.state


def _class_names(weights: Any) -> tuple[str, ...]:
    names = weights.state.get('names', ()) if _is_module(weights) else ()
    names = tuple(names.values() if isinstance(names, Mapping) else names or ())
    return names if all(isinstance(name, str) for name in names) else ()


def _plain(entries: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in entries.items() if isinstance(value, str | int | float)}
