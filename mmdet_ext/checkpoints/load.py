"""Read weights from a file, and load them into a model by one set of rules.

For prediction the file must have every tensor that prediction uses, in the right shape. For fine-tuning the file must
fit the network (backbone, neck, transformers); heads and added parts may be missing or have another shape, for example
because of other classes. These keep the values of `init_weights`, and one line of the log names them. A model counts as
fine-tuned if `init_weights` has been called, as mmengine's training does.
"""
import logging
import os
import re
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from pickle import UnpicklingError
from typing import Any, NamedTuple
from urllib.error import URLError
from urllib.parse import urlparse

import torch
import torch.nn as nn
from mmengine.dist import barrier, is_main_process
from mmengine.logging import print_log
from mmengine.runner import CheckpointLoader
from torch import Tensor

from ..compat import allow_mmengine_checkpoints
from ..files import damage_of

# Where a checkpoint keeps its weights, the better ones first. mmengine puts averaged weights under `state_dict`.
ENTRIES = ('state_dict', 'ema', 'model_ema', 'model', 'ema_state_dict')
WEB = ('http://', 'https://')
# What prediction does not need: counters, and parts that exist for training only.
TRAINING_ONLY = re.compile(r'(^|\.)num_batches_tracked$|^aux_head\.|\.pooler\.|\.align_|^data_preprocessor\.')
# The parts whose features all others depend on. A file has nearly all of their tensors, or none.
NETWORK = ('backbone', 'neck', 'encoder', 'decoder', 'text_encoder', 'language_model')
LEAST_SHARE = 0.9  # of the tensors of such a part: a dictionary may be put into a trained backbone
SHOWN = 3  # tensors that a message names


class Weights(NamedTuple):
    """The content of a checkpoint file.

    Attributes:
        state_dict: Name -> tensor.
        meta: The file's `meta` entry, as mmengine writes it; empty if it has none.
        path: The file or address.
    """
    state_dict: dict[str, Tensor]
    meta: dict[str, Any]
    path: str

    @property
    def dataset_meta(self) -> dict[str, Any]:
        """Names of the classes (`classes`) and other facts about the data set; empty if the file has none."""
        return {key.lower(): value for key, value in (self.meta.get('dataset_meta') or {}).items()}


def read_weights(path: str | os.PathLike) -> Weights:
    """Read a checkpoint of mmengine, of `tools/convert_checkpoint.py` or `tools/deploy.py`, or a state dict.

    The prefix `module.` of DataParallel and of averaged models is removed.

    Args:
        path: File, or an address that mmengine knows, such as https://.

    Raises:
        OSError: The file is missing or cannot be opened.
        ValueError: It is no checkpoint, damaged, or holds objects of another program.
    """
    path = os.fspath(path)
    if path.startswith(WEB):
        return weights_in(read_address(path, 'cpu'), path)
    if '://' in path:
        allow_mmengine_checkpoints()
        return weights_in(CheckpointLoader.load_checkpoint(path, map_location='cpu', logger='silent'), path)
    return weights_in(read_file(path, 'cpu'), path)


def weights_in(content: Any, path: str) -> Weights:
    """The weights in the content of a file.

    Raises:
        ValueError: There are none.
    """
    if not isinstance(content, Mapping):
        raise ValueError(f'{path} is no checkpoint of a model, but holds a {type(content).__name__}')
    entry = next((name for name in ENTRIES if isinstance(content.get(name), Mapping)), None)
    tensors = content if entry is None else content[entry]
    wrong = [name for name, value in tensors.items() if not isinstance(name, str)
             or not (isinstance(value, Tensor) or name.endswith('_extra_state'))]
    if wrong or not tensors:
        described = f'{wrong[0]!r} is the name of a {type(tensors[wrong[0]]).__name__}' if wrong else 'it is empty'
        raise ValueError(f'{path} is no checkpoint of a model: a state dict is names and tensors, but {described}')
    state_dict = OrderedDict(tensors)
    if any(name.startswith('module.') for name in tensors):  # an averaged model counts its steps beside it
        state_dict = OrderedDict((name.removeprefix('module.'), value) for name, value in tensors.items()
                                 if name != 'steps')
    state_dict._metadata = OrderedDict(getattr(tensors, '_metadata', {}))  # versions of modules, for torch
    meta = content.get('meta') if entry else None
    return Weights(state_dict, dict(meta) if isinstance(meta, Mapping) else {}, path)


def check_file(path: str | os.PathLike) -> None:
    """Raise if `path` is no whole file that torch can load; an address (https://, torchvision://) is not looked up."""
    path = os.fspath(path)
    if '://' in path:
        return
    file = Path(path).expanduser()
    if not file.is_file():
        raise FileNotFoundError(f'there is no checkpoint {path} (seen from {Path.cwd()})')
    if damage := damage_of(file):
        raise ValueError(f'{path} {damage}')
    allow_mmengine_checkpoints()
    if not zipfile.is_zipfile(file):  # a bare pickle, as torch wrote before 1.6
        return
    if unknown := torch.serialization.get_unsafe_globals_in_checkpoint(file):
        raise ValueError(_foreign(path, ', '.join(sorted(unknown)[:SHOWN])))


def read_file(path: str, map_location: Any) -> Any:
    """The content of a file."""
    check_file(path)
    file = Path(path).expanduser()
    try:
        return torch.load(file, map_location=map_location)
    except (UnpicklingError, RuntimeError, EOFError, KeyError, AttributeError) as error:
        if unknown := re.search(r'GLOBAL (\S+)', str(error)):  # in a bare pickle, which `check_file` did not look into
            raise ValueError(_foreign(path, unknown[1])) from error
        raise ValueError(f'{path} is no checkpoint, or a damaged one ({type(error).__name__})') from error


def read_address(url: str, map_location: Any) -> Any:
    """The content of a file behind an http:// or https:// address, which torch's folder of downloads keeps.

    mmengine and `torch.hub` would run what a file of the web asks for while they read it.

    Raises:
        OSError: The file cannot be downloaded.
        ValueError: As `read_file`, with the address and the path of the downloaded file.
    """
    file = Path(torch.hub.get_dir(), 'checkpoints', PurePosixPath(urlparse(url).path).name)
    if is_main_process():
        _download(url, file)
    barrier()
    _download(url, file)  # on other machines than that of the main process
    try:
        return read_file(str(file), map_location)
    except ValueError as error:
        raise ValueError(f'{url}: {error}') from error


def _download(url: str, file: Path) -> None:
    if file.is_file():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(url, str(file), progress=os.isatty(0))
    except URLError as error:
        raise OSError(f'{url} cannot be downloaded: {error}') from error


def _foreign(path: str, objects: str) -> str:
    return (f'{path} holds objects of another program ({objects}), which torch does not load: for a published file see '
            'tools/convert_checkpoint.py')


def load_weights(model: nn.Module, weights: Weights | str | os.PathLike, *, config: str | None = None,
                 fine_tuning: bool = False) -> Weights:
    """Load weights into a model.

    Args:
        model: The model. In prediction every tensor of it must be in the file, except those that only training uses.
        weights: From `read_weights`, or the path of a file.
        config: File that describes the model, for messages.
        fine_tuning: Whether layers that the file lacks, or has in another shape, may keep their initial values. They
            are named in one line of the log, as are those of the file that the model does not have.

    Returns:
        The weights.

    Raises:
        OSError: The file is missing.
        ValueError: It is no checkpoint, or its tensors do not fit the model, or some are NaN. The model may have been
            changed by then.
    """
    if not isinstance(weights, Weights):
        weights = read_weights(weights)
    load_tensors(model, weights, config or 'the config', fine_tuning, report=True)
    return weights


def misfits(model: nn.Module, state_dict: Mapping[str, Tensor]) -> list[str]:
    """One line for each tensor of `state_dict` that does not fit the model for prediction."""
    in_model = model.state_dict()
    missing, unknown = in_model.keys() - state_dict.keys(), state_dict.keys() - in_model.keys()
    return _problems(in_model, state_dict, _reshaped(in_model, state_dict), missing, unknown)


def load_tensors(model: nn.Module, weights: Weights, config: str, fine_tuning: bool, report: bool) -> None:
    """As `load_weights`; `report` says whether it writes its line to the log."""
    in_model, in_file = model.state_dict(), weights.state_dict
    if in_model.keys().isdisjoint(in_file):
        raise ValueError(f'{weights.path} is of another model: {type(model).__name__} knows no tensor of it, the first '
                         f'is {next(iter(in_file))!r}; tools/convert_checkpoint.py converts published files')
    if broken := [name for name in in_model.keys() & in_file.keys()
                  if in_file[name].is_floating_point() and in_file[name].isnan().any()]:
        raise ValueError(f'{weights.path}: {len(broken)} tensors have values that are not a number (NaN), such as '
                         f'{min(broken)}: the training has diverged, or the file is damaged')
    reshaped = _reshaped(in_model, in_file)
    fitting = OrderedDict((name, value) for name, value in in_file.items() if name not in reshaped)
    fitting._metadata = getattr(in_file, '_metadata', None)
    # torch says what is missing and unknown: modules may rename the tensors of earlier versions while they load
    missing, unknown = model.load_state_dict(fitting, strict=False)
    missing = set(missing) - reshaped
    if fine_tuning:
        problems = _network_problems(in_model, in_file, reshaped, missing)
    else:
        problems = _problems(in_model, in_file, reshaped, missing, unknown)
    if problems:
        raise ValueError(f'{weights.path} does not fit {config}: {told(problems)} '
                         f'(the {type(model).__name__} has {len(in_model)})')
    if report and fine_tuning:
        _report(weights, in_model, reshaped, missing, unknown)


def told(problems: Sequence[str]) -> str:
    """How many tensors differ, and the first of them."""
    number = '1 tensor differs' if len(problems) == 1 else f'{len(problems)} tensors differ'
    return f'{number}, {"; ".join(problems[:SHOWN])}'


def _reshaped(in_model: Mapping[str, Tensor], in_file: Mapping[str, Tensor]) -> set[str]:
    """Names of the tensors that the file has in another shape; torch takes a vector of one value for a scalar."""
    return {name for name, value in in_model.items() if name in in_file and in_file[name].shape != value.shape
            and not (value.dim() == 0 and in_file[name].shape == (1, ))}


def _problems(in_model: Mapping[str, Tensor], in_file: Mapping[str, Tensor], reshaped: Collection[str],
              missing: Collection[str], unknown: Collection[str]) -> list[str]:
    """Tensors that make prediction impossible. Parts of the file that the model does not have at all are ignored."""
    parts = {_part(name) for name in in_model}
    problems = [_described(name, in_model, in_file) for name in in_model if name in reshaped]
    problems += [f'{name} is missing' for name in in_model if name in missing and not TRAINING_ONLY.search(name)]
    return problems + [f'{name} is unknown' for name in in_file
                       if name in unknown and _part(name) in parts and not TRAINING_ONLY.search(name)]


def _network_problems(in_model: Mapping[str, Tensor], in_file: Mapping[str, Tensor], reshaped: Collection[str],
                      missing: Collection[str]) -> list[str]:
    """Tensors that make fine-tuning impossible: of a part of the network that the file has incompletely, or of all
    parts if it has none."""
    needed = [name for name in in_model if _part(name) in NETWORK and not TRAINING_ONLY.search(name)]
    sizes, lacking = Counter(map(_part, needed)), Counter(_part(name) for name in needed if name in missing)
    partial = {part for part, count in lacking.items() if (1 - LEAST_SHARE) * sizes[part] < count < sizes[part]}
    if lacking == sizes:
        partial = set(sizes)
    return [_described(name, in_model, in_file) if name in reshaped else f'{name} is missing' for name in needed
            if name in reshaped or (name in missing and _part(name) in partial)]


def _part(name: str) -> str:
    return name.partition('.')[0]


def _described(name: str, in_model: Mapping[str, Tensor], in_file: Mapping[str, Tensor]) -> str:
    return f'{name} is {tuple(in_file[name].shape)}, should be {tuple(in_model[name].shape)}'


def _report(weights: Weights, in_model: Mapping[str, Tensor], reshaped: Collection[str], missing: Collection[str],
            unknown: Collection[str]) -> None:
    named = [name for name in in_model if not name.endswith('num_batches_tracked')]  # nobody misses counters
    sentences = [
        (reshaped, named, 'these layers have another shape there and start afresh'),
        (set(missing).intersection(named), named, 'these are missing there and start afresh'),
        (set(unknown), list(weights.state_dict), 'these of the file are not used')]
    text = '; '.join(f'{what}: {", ".join(_modules(names, known))}' for names, known, what in sentences if names)
    if text:
        print_log(f'{weights.path}: {text}', 'current', level=logging.WARNING)


def _modules(names: Collection[str], known: Sequence[str]) -> list[str]:
    """The largest modules all of whose tensors are among `names`, in the order of `known`."""
    others = {prefix for name in known if name not in names for prefix in _prefixes(name)}
    return list(dict.fromkeys(next(prefix for prefix in _prefixes(name) if prefix not in others)
                              for name in known if name in names))


def _prefixes(name: str) -> list[str]:
    """'a.b.c' -> ['a', 'a.b', 'a.b.c']."""
    parts = name.split('.')
    return ['.'.join(parts[:end]) for end in range(1, len(parts) + 1)]
