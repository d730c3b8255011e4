"""Have a training end with the report of its run."""
from importlib.util import find_spec

from mmengine.config import Config
from mmengine.logging import print_log

LIBRARIES = ('jinja2', 'seaborn')  # of the extra `report`


def use_report(cfg: Config, wanted: bool = True) -> None:
    """Add a `ReportHook` to the hooks of a training, which writes WORK_DIR/report/report.html at its end.

    Nothing is added if the config has such a hook, if it sets `default_hooks.report=None`, or if the libraries of the
    extra `report` are missing; the log then names the extra.

    Args:
        cfg: Config of the training.
        wanted: False: take the hook away instead.
    """
    hooks = cfg.setdefault('default_hooks', {})
    if not wanted:
        hooks.report = None
    if hooks.get('report', True) is None:
        return
    if hooks.get('report') or any(hook.get('type') == 'ReportHook' for hook in cfg.get('custom_hooks') or ()):
        return
    if missing := [name for name in LIBRARIES if find_spec(name) is None]:
        print_log(f'The training ends without a report: {", ".join(missing)} is not installed: '
                  'pip install "mmdet_ext[report]"')
        return
    hooks.report = dict(type='ReportHook')
