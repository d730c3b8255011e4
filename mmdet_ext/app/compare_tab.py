"""The tab that lays the boxes of two models side by side."""
from collections.abc import Sequence
from html import escape
from pathlib import Path

from ..extras import import_extra
from .comparison import compare, pair_html
from .examples import add_examples, examples_of
from .models import Model
from .parts import NETWORK, NO_IMAGE, image_input, image_props, plainly, show_message
from .result import Result
from .script import PAIR, SCRIPT

EMPTY = dict(value='', left='', right='', left_name='', right_name='', below='', image='', width=1, height=1)


def add_compare_tab(models: Sequence[Model]) -> None:
    """Add the components to the page that is being built, for two models or more."""
    gr = import_extra('gradio', 'app')
    by_name = {model.name: model for model in models}
    some_take_text = any(model.takes_text for model in models)
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            left = gr.Dropdown(list(by_name), value=models[0].name, label='Left')
            right = gr.Dropdown(list(by_name), value=models[1].name, label='Right')
            image = image_input()
            text = gr.Textbox(label='Caption, for models that take one', visible=some_take_text, lines=1)
            button = gr.Button('Compare', variant='primary')
            threshold = gr.Slider(0.01, 1, value=models[0].threshold, step=0.01, label='Threshold of both')
            examples = [examples_of(model.cfg) for model in models]
            # those with captions where a model takes one
            best = max(examples, key=lambda pairs: (any(caption for _, caption in pairs), len(pairs)))
            add_examples(gr, best if some_take_text else next(filter(None, examples), []), image, text)
        with gr.Column(scale=3, min_width=320):
            message = gr.HTML(visible=False)
            pair = gr.HTML(**EMPTY, html_template=PAIR, js_on_load=SCRIPT, elem_classes='result')
            results = gr.State(None)

    def failed() -> tuple:
        return gr.HTML(**EMPTY), None

    def run(left: str, right: str, image: str | None, text: str | None, threshold: float) -> tuple:
        if image is None:
            raise ValueError(NO_IMAGE)
        both = tuple(by_name[name].detect(Path(image), text) for name in (left, right))
        return gr.HTML(**view(both, threshold), **image_props(Path(image))), both

    def run_unasked(left: str, right: str, image: str | None, text: str | None, threshold: float) -> tuple:
        """For another image: without complaints about what is not there yet."""
        needs_text = by_name[left].takes_text or by_name[right].takes_text
        if image is None or (needs_text and not (text or '').strip()):
            return show_message('Write a caption.' if image else '', 'hint'), *failed()
        return plainly(run, failed)(left, right, image, text, threshold)

    inputs, outputs = [left, right, image, text, threshold], [message, pair, results]
    gr.on([button.click, text.submit], plainly(run, failed), inputs, outputs, **NETWORK)
    gr.on([image.change, left.input, right.input], run_unasked, inputs, outputs, trigger_mode='always_last', **NETWORK)
    threshold.change(lambda both, least: gr.HTML(**view(both, least)), [results, threshold], pair,
                     trigger_mode='always_last', show_progress='hidden', queue=False)


def view(results: tuple[Result, Result] | None, threshold: float) -> dict[str, str]:
    """What changes with the threshold in the template of a pair."""
    if results is None:
        return dict(value='', left='', right='', below='')
    left, right = results
    comparison = compare(left, right, left.shown(threshold), right.shown(threshold))
    summary, left_boxes, right_boxes, differences = pair_html(left, right, comparison)
    return dict(value=summary, left=left_boxes, right=right_boxes, below=differences, left_name=escape(left.model),
                right_name=escape(right.model))

