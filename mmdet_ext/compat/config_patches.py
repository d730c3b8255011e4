"""Changes to how mmengine reads, writes and keeps config files."""
import ast
from functools import cache, wraps
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from mmengine.config import Config, config
from mmengine.runner import Runner

from ..config_variables import apply_variables, truth_files


def apply_config_variables() -> None:
    """Let mmengine apply `image_size`, `classes` and the files of truth in each config that imports this package.

    They are applied when a config has been read, which happens after its `custom_imports`, and after options were
    merged into it, so that mmdet's own tools and `DetInferencer` do as the command lines of this package.
    """
    if getattr(Config.__init__, 'applies_variables', False):
        return
    read, merge = Config.__init__, Config.merge_from_dict

    @wraps(read)
    def read_and_apply(cfg: Config, *args: Any, **kwargs: Any) -> None:
        read(cfg, *args, **kwargs)
        apply_variables(cfg)

    @wraps(merge)
    def merge_and_apply(cfg: Config, options: dict, *args: Any, **kwargs: Any) -> None:
        earlier = truth_files(cfg)
        merge(cfg, options, *args, **kwargs)
        # an option for the classes of one head is not overruled by the classes of the file: it is an error later
        apply_variables(cfg, earlier, with_classes='classes' in options)

    read_and_apply.applies_variables = True
    Config.__init__, Config.merge_from_dict = read_and_apply, merge_and_apply


def keep_config_files() -> None:
    """Let mmengine's runner leave the config file alone that it was started with.

    The runner writes the complete config into its work directory under the name of the file. If that is the file
    itself, a short config would be replaced by a long one. The complete one is also in ``TIME/vis_data/config.py``.
    """
    if getattr(Runner.dump_config, 'keeps_files', False):
        return
    dump = Runner.dump_config

    @wraps(dump)
    def dump_elsewhere(runner: Runner) -> None:
        name = runner.cfg.filename
        if not (name and Path(name).resolve() == Path(runner.work_dir, Path(name).name).resolve()):
            dump(runner)

    dump_elsewhere.keeps_files = True
    Runner.dump_config = dump_elsewhere


def format_configs_once() -> None:
    """Let mmengine lay out each statement of a config once in a process; the text stays the same.

    A run writes its complete config four times as it starts (log, work directory, ``vis_data``, checkpoints), and again
    before it tests. yapf needs up to two seconds each time for a config of MDETR.
    """
    module = formatter_module()
    if getattr(module.FormatCode, 'formats_once', False):
        return
    format_code = module.FormatCode

    @cache
    def format_statement(statement: str, options: tuple[tuple[str, Any], ...]) -> str:
        return format_code(statement, style_config=dict(options))[0]

    @wraps(format_code)
    def format_each(text: str, style_config: dict[str, Any], **others: Any) -> tuple[str, bool]:
        if others:  # yapf before 0.40.2
            return format_code(text, style_config=style_config, **others)
        lines = text.split('\n')
        statements = ('\n'.join(lines[node.lineno - 1:node.end_lineno]) for node in ast.parse(text).body)
        formatted = ''.join(format_statement(statement, tuple(style_config.items())) for statement in statements)
        return formatted, formatted != text

    format_each.formats_once = True
    module.FormatCode = format_each


def formatter_module() -> ModuleType:
    """Where mmengine finds yapf's `FormatCode`: in a module of its own, and the maintained fork in that of yapf."""
    return config if hasattr(config, 'FormatCode') else import_module('yapf.yapflib.yapf_api')
