"""Parts that the tabs of the page share: the input of an image, messages in plain words, files to take away."""
import tempfile
from collections.abc import Callable
from functools import lru_cache, wraps
from html import escape
from pathlib import Path
from typing import Any

from ..command_line import USER_ERRORS, message_of
from ..extras import import_extra
from ..visualization.images import read_image
from .heat import data_uri

NETWORK = dict(concurrency_id='network', concurrency_limit=1)  # one pass through a network at a time
NO_IMAGE = 'There is no image: upload one, paste one, or choose an example.'
# given the value of a `gr.File`, takes it to the folder of downloads
DOWNLOAD = """file => {
  if (!file || !file.url) return;
  const link = document.createElement('a');
  link.href = file.url;
  link.download = file.orig_name || file.path.split('/').pop();
  document.body.append(link);
  link.click();
  link.remove();
}"""


@lru_cache
def _scratch() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix='mmdet_ext_app_')


def new_folder() -> Path:
    """An empty folder, which is deleted when the program ends. Gradio serves files of temporary folders only."""
    return Path(tempfile.mkdtemp(dir=_scratch().name))


def image_input(label: str = 'Image') -> Any:
    """A `gr.Image` whose value is the path of the file as it was uploaded, even if it is no image."""
    gr = import_extra('gradio', 'app')
    image = gr.Image(type='filepath', label=label, sources=['upload', 'clipboard'], height=260, buttons=['fullscreen'])
    # gradio's own would decode the file and write it anew: a model reads the file itself, and we say what is wrong
    # with it. A subclass would do, but gradio writes a file of types beside the source of each.
    image.preprocess = lambda payload: None if payload is None else payload.path
    return image


def show_message(text: str, kind: str = 'message'):
    """A message of the page: 'message' for what went wrong, 'hint' for what to do next; '' hides it."""
    gr = import_extra('gradio', 'app')
    return gr.HTML(f'<div class="{kind}" role="alert"><p>{escape(text)}</p></div>' if text else '', visible=bool(text))


def plainly(function: Callable[..., Any], failed: Callable[[], tuple]) -> Callable[..., tuple]:
    """A handler of events whose first output is a message: '' if all went well, or what was wrong in the input.

    Args:
        function: Returns a tuple of the other outputs.
        failed: Gives the other outputs if `function` raised one of `USER_ERRORS`.
    """

    @wraps(function)
    def handler(*args: Any, **kwargs: Any) -> tuple:
        try:
            return show_message(''), *function(*args, **kwargs)
        except USER_ERRORS as error:
            text = message_of(error)
            for value in args:
                if isinstance(value, str) and len(Path(value).parts) > 1:  # where gradio keeps what was uploaded
                    text = text.replace(value, Path(value).name)
            return show_message(text), *failed()

    return handler


def image_props(image: Path) -> dict[str, Any]:
    """`image`, `width` and `height` for the templates of `script.py`.

    Raises:
        ValueError: The file is no image.
    """
    pixels = read_image(image)
    return dict(image=data_uri(pixels), width=pixels.shape[1], height=pixels.shape[0])
