"""How a run was made: its config, what differs from the config it was made from, versions and devices."""
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from mmdet.utils import collect_env
from mmengine.config import Config

from ..engine.threads_hook import process_cores
from ..version import __version__
from .section import Listing, Section, Table

PACKAGES = ('torch', 'torchvision', 'mmengine', 'mmcv', 'mmdet', 'numpy', 'opencv-python', 'pycocotools',
            'faster-coco-eval', 'transformers', 'supervision')
# Entries that mmengine reads, and two of this package. Others are variables of config files.
SHOWN = ('model', 'data_preprocessor', 'optim_wrapper', 'param_scheduler', 'auto_scale_lr', 'default_hooks',
         'custom_hooks', 'randomness', 'env_cfg', 'visualizer', 'log_processor', 'load_from', 'tta_model',
         'image_size', 'classes',
         *(f'{split}_{part}' for split in ('train', 'val', 'test') for part in ('dataloader', 'cfg', 'evaluator')))
LONGEST = 200  # letters of a value in the table of differences


def config_section(cfg: Config, base: Config | None) -> Section:
    """The config of a run as text, and as a table of what differs from its base."""
    listing = Listing('The whole config', cfg.pretty_text)
    if base is None:
        return Section('config', 'The config', 'All settings of this run. The config that it was made from is not '
                       'known, so that differences are not listed.', listings=[listing])
    shown = [{key: value for key, value in part.to_dict().items() if key in SHOWN} for part in (base, cfg)]
    rows = differences(*shown)
    return Section('config', 'The config', f'{len(rows)} settings of this run differ from what its config was made '
                   'from, its `_base_` files.', listings=[listing],
                   tables=[Table('What differs', ('setting', 'base', 'this run'), rows)] if rows else [])


def differences(base: Mapping, cfg: Mapping, name: str = '') -> list[list[str]]:
    """A row for each value that differs: its dotted key, the value of the base and the value of the config.

    A dict that only one of the two has, and one of another `type`, is one value. Lists are compared as a whole.
    """
    rows = []
    for key in dict.fromkeys([*base, *cfg]):
        path = f'{name}.{key}' if name else str(key)
        before, after = (values.get(key, _ABSENT) for values in (base, cfg))
        if before == after:
            continue
        if isinstance(before, Mapping) and isinstance(after, Mapping) and before.get('type') == after.get('type'):
            rows += differences(before, after, path)
        else:
            rows.append([path, _shown(before), _shown(after)])
    return rows


def versions_section() -> Section:
    """Versions and devices of this process."""
    packages = [['mmdet_ext', __version__], ['Python', platform.python_version()], *_versions()]
    environment = {str(key): str(value) for key, value in collect_env().items()}
    text = '\n'.join(f'{key}: {value}' for key, value in environment.items())
    return Section('versions', 'Versions and devices', 'Of the program that wrote this report.', tables=[
        Table('Devices', ('device', 'what it is'), list(_devices())),
        Table('Versions', ('package', 'version'), packages)], listings=[Listing("mmengine's collect_env", text)])


def _versions() -> Iterator[list[str]]:
    for name in PACKAGES:
        try:
            yield [name, version(name)]
        except PackageNotFoundError:
            module_version = getattr(__import__(name), '__version__', None) if name.startswith('mm') else None
            if module_version:  # the fork has the modules under other names
                yield [name, module_version]


def _devices() -> Iterator[list[str]]:
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        yield [f'GPU {index}', f'{properties.name}, {properties.total_memory / 2**30:.0f} GiB']
    yield ['CPU', f'{_cpu_name()}, {process_cores()} cores for this process']
    yield ['system', platform.platform()]


def _cpu_name() -> str:
    try:
        with open('/proc/cpuinfo', encoding='utf-8') as file:
            return next(line.partition(':')[2].strip() for line in file if line.startswith('model name'))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


_ABSENT = object()


def _shown(value: Any) -> str:
    """A value as it is written in a config, cut where it is long."""
    text = 'not set' if value is _ABSENT else repr(value)
    return text if len(text) <= LONGEST else f'{text[:LONGEST - 3]}...'
