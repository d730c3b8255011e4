"""The tab of a model: an image in, boxes out."""
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ..extras import import_extra
from .atoms_panel import add_atoms
from .examples import add_examples, examples_of
from .gaussians_panel import add_gaussians
from .models import Model
from .parts import DOWNLOAD, NETWORK, NO_IMAGE, image_input, image_props, plainly, show_message
from .result import Result, split_names
from .saved import save_coco, save_drawn
from .script import SCRIPT, STAGE
from .stage import caption_html, stage_html, summary_html, table_html

CAPTION, NAMES = 'caption', 'class names'
EMPTY = dict(value='', above='', below='', image='', width=1, height=1)


def add_detect_tab(model: Model) -> None:
    """Add the components of a model to the page that is being built."""
    gr = import_extra('gradio', 'app')
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            tab = _add_inputs(gr, model)
        with gr.Column(scale=3, min_width=320):
            tab.message = gr.HTML(visible=False)
            tab.stage = gr.HTML(**EMPTY, html_template=STAGE, js_on_load=SCRIPT, elem_classes='result')
            tab.result = gr.State(None)
            with gr.Row():
                save_json = gr.Button('Save boxes as COCO json', size='sm')
                save_png = gr.Button('Save drawn image', size='sm')
            panel = []
            if model.has_atoms:
                panel = add_atoms(gr, model, tab.message, tab.stage, tab.result)
            if model.has_gaussians:
                panel = add_gaussians(gr, model, tab.message, tab.stage, tab.result)
    _connect_detection(gr, model, tab, panel)
    _connect_files(gr, model, tab, save_json, save_png)


def detect(model: Model, image: str | None, kind: str, text: str | None) -> Result:
    """Detect what is in an image.

    Args:
        model: The model.
        image: The file; ValueError for None.
        kind: CAPTION, or NAMES if `text` is a list of names of classes.
        text: For a model that takes text what to look for.
    """
    if image is None:
        raise ValueError(NO_IMAGE)
    return model.detect(Path(image), text, split_names(text) if kind == NAMES else None)


def view(result: Result | None, threshold: float, names: Sequence[str]) -> dict[str, str]:
    """`value`, `above` and `below` for the template of a stage."""
    if result is None:
        return dict(value='', above='', below='')
    rows = result.shown(threshold, names)
    return dict(value=stage_html(result, rows), above=caption_html(result, rows) + summary_html(result, rows),
                below=table_html(result, rows))


def _add_inputs(gr: Any, model: Model) -> SimpleNamespace:
    image = image_input()
    kind = gr.Radio([CAPTION, NAMES], value=CAPTION, label='Look for what is named by',
                    visible=model.takes_text and not model.answers)
    text = gr.Textbox(label='Question' if model.answers else 'Caption, or class names with commas between them',
                      placeholder='is there a red circle?' if model.answers else 'a red circle left of a star',
                      visible=model.takes_text, lines=1)
    button = gr.Button('Ask' if model.answers else 'Detect', variant='primary')
    threshold = gr.Slider(0.01, 1, value=model.threshold, step=0.01, label='Threshold: least score of a box')
    names = gr.Dropdown(list(model.classes), multiselect=True, label='Show only (all if none is chosen)')
    add_examples(gr, examples_of(model.cfg), image, text)
    return SimpleNamespace(image=image, kind=kind, text=text, button=button, threshold=threshold, names=names)


def _connect_detection(gr: Any, model: Model, tab: SimpleNamespace, panel: Sequence[Any]) -> None:
    emptied = [gr.update(value='')] * len(panel)

    def failed() -> tuple:
        return gr.HTML(**EMPTY), None, gr.skip(), *emptied

    def run(image: str | None, kind: str, text: str | None, threshold: float) -> tuple:
        result = detect(model, image, kind, text)
        choices = list(dict.fromkeys(model.classes or result.detections.names))
        stage = gr.HTML(**view(result, threshold, ()), **image_props(result.image))
        return stage, result, gr.Dropdown(choices=choices, value=[]), *emptied

    def run_unasked(image: str | None, kind: str, text: str | None, threshold: float) -> tuple:
        """For another image: without complaints about what is not there yet."""
        if image is None or (model.takes_text and not (text or '').strip()):
            return show_message('Write what to look for.' if image else '', 'hint'), *failed()
        return plainly(run, failed)(image, kind, text, threshold)

    inputs = [tab.image, tab.kind, tab.text, tab.threshold]
    outputs = [tab.message, tab.stage, tab.result, tab.names, *panel]
    gr.on([tab.button.click, tab.text.submit], plainly(run, failed), inputs, outputs, **NETWORK)
    tab.image.change(run_unasked, inputs, outputs, trigger_mode='always_last', **NETWORK)
    gr.on([tab.threshold.change, tab.names.change],  # neither runs the network
          lambda result, threshold, names: gr.HTML(**view(result, threshold, names or ())),
          [tab.result, tab.threshold, tab.names], tab.stage, trigger_mode='always_last', show_progress='hidden',
          queue=False)


def _connect_files(gr: Any, model: Model, tab: SimpleNamespace, save_json: Any, save_png: Any) -> None:
    file = gr.File(visible=False)

    def saver(save: Any) -> Any:
        def handler(result: Result | None, threshold: float, names: Sequence[str]) -> tuple:
            if result is None:
                raise ValueError('There is nothing to save yet: choose an image first.')
            return str(save(result, result.shown(threshold, names or ()))),

        return plainly(handler, lambda: (None, ))

    for button, save in ((save_json, lambda result, rows: save_coco(result, rows, model.classes)),
                         (save_png, save_drawn)):
        button.click(saver(save), [tab.result, tab.threshold, tab.names], [tab.message, file]).then(
            None, file, js=DOWNLOAD)
