"""The part of a tab that shows the Gaussians of a query."""
from typing import Any

from .gaussians import GAUSSIAN, KINDS, gaussians_html, query_of
from .models import Model
from .parts import NETWORK, plainly
from .result import Result

INVITATION = 'Click a box to see where the heads of its query look: a map for each head, in the layer that you choose.'
LARGEST = 'the one with the largest alpha'


def add_gaussians(gr: Any, model: Model, message: Any, stage: Any, result: Any) -> list[Any]:
    """Add the panel; returns the components that another image empties."""
    view = model.gaussians
    gr.Markdown(f'### Gaussians\n{INVITATION}')
    with gr.Row():
        layer = gr.Radio(list(range(view.num_layers)), value=view.num_layers - 1, label='Decoder layer')
        kind = gr.Radio(list(KINDS), value=GAUSSIAN, label='Map')
        scales = [(f'stride {stride:g}', number) for number, stride in enumerate(view.strides)]
        scale = gr.Radio([(LARGEST, -1), *scales], value=-1, label='Map of features', visible=len(scales) > 1)
    panel = gr.HTML('', elem_classes='gaussians')
    chosen = gr.State(None)

    def show(result: Result | None, row: int | None, layer: int, kind: str, scale: int) -> tuple:
        if result is None or row is None:
            return '', None
        capture = model.captured(result.image)
        query = query_of(capture, result.detections.boxes[row].tolist())
        return gaussians_html(capture, query, result.title(row), layer, None if scale < 0 else scale, kind), row

    def click(result: Result | None, layer: int, kind: str, scale: int, event: gr.EventData) -> tuple:
        return show(result, event.box, layer, kind, scale)

    failed = lambda: (gr.skip(), gr.skip())  # noqa: E731
    stage.click(plainly(click, failed), [result, layer, kind, scale], [message, panel, chosen], **NETWORK)
    gr.on([layer.change, kind.change, scale.change], plainly(show, failed), [result, chosen, layer, kind, scale],
          [message, panel, chosen], **NETWORK)
    return [panel, chosen]
