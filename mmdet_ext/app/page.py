"""The page: a tab for each model and, for two models or more, one that compares them."""
import logging
from collections.abc import Sequence
from typing import Any

from mmengine.logging import MMLogger

from ..command_line import USER_ERRORS, message_of
from ..extras import import_extra
from .compare_tab import add_compare_tab
from .detect_tab import add_detect_tab
from .models import Model
from .parts import show_message
from .script import CSS

MOST_WAITING = 20  # requests


def build_page(models: Sequence[Model]) -> Any:
    """The `gr.Blocks`. Models are loaded now; the tab of one that cannot be loaded says why.

    Raises:
        OSError, ValueError: None of the models can be loaded: what is wrong with the first.
    """
    gr = import_extra('gradio', 'app')
    errors = {model.name: error for model in models if (error := _load(model))}
    loaded = [model for model in models if model.name not in errors]
    if not loaded:
        raise next(iter(errors.values()))
    page = gr.Blocks(title='Try a detector', analytics_enabled=False, delete_cache=(3600, 86400))
    with page, gr.Tabs():
        for model in models:
            with gr.Tab(model.name):
                if model.name in errors:
                    show_message(f'This model cannot be loaded. {message_of(errors[model.name])}')
                else:
                    gr.Markdown(_description(model))
                    add_detect_tab(model)
        if len(loaded) > 1:
            with gr.Tab('Compare'):
                add_compare_tab(loaded)
    return page.queue(max_size=MOST_WAITING)


def launch_page(page: Any, host: str, port: int | None, browser: bool, block: bool = True) -> str:
    """Serve the page from this machine until Ctrl-C; returns its address if it does not `block`.

    Letters are those of the system, and no file comes from another machine.
    """
    gr = import_extra('gradio', 'app')
    theme = gr.themes.Default(font=['system-ui', 'sans-serif'], font_mono=['ui-monospace', 'monospace'])
    try:
        _, address, _ = page.launch(
            server_name=host, server_port=port, inbrowser=browser, share=False, ssr_mode=False, footer_links=[],
            theme=theme, css=CSS, show_error=True, quiet=True, prevent_thread_lock=True)
    except OSError as error:
        if 'empty port' in str(error):
            taken = f'port {port} of {host} is' if port else f'all ports that are tried of {host} are'
            raise OSError(f'{taken} in use: --port N takes another one') from error
        raise OSError(f'{host}:{port or 7860}: {message_of(error)}') from error
    forget_closed_log_files()
    print(f'The page is at {address} (Ctrl-C ends it)', flush=True)
    if block:
        page.block_thread()
    return address


def forget_closed_log_files() -> None:
    """Take log files that are closed out of mmengine's loggers, which would fail when they write to them.

    The server of the page sets up Python's logging anew, and that closes the files of all loggers.
    """
    for logger in MMLogger._instance_dict.values():
        for handler in list(logger.handlers):
            if isinstance(handler, logging.FileHandler) and handler.stream is None:
                logger.removeHandler(handler)


def _load(model: Model) -> Exception | None:
    try:
        model.predictor  # noqa: B018  loads it
    except USER_ERRORS as error:
        return error
    return None


def _description(model: Model) -> str:
    source, device = model.source, model.predictor.device
    return f'`{source.config}`{f" with `{source.checkpoint}`" if source.checkpoint else ""}, on {device}'
