"""The part of a tab that shows the atoms at a box."""
from typing import Any

from .atoms import SURVEY, atoms_html
from .models import Model
from .parts import NETWORK, plainly
from .result import Result

INVITATION = 'Click a box to see which atoms of the dictionary the features there are made of.'


def add_atoms(gr: Any, model: Model, message: Any, stage: Any, result: Any) -> list[Any]:
    """Add the panel; returns the components that another image empties."""
    gr.Markdown(f'### Atoms\n{INVITATION}')
    panel = gr.HTML('', elem_classes='atoms')
    chosen = gr.State(None)
    button = gr.Button('', visible=False, size='sm')

    def show(result: Result, row: int) -> tuple:
        view, box = model.atoms, result.detections.boxes[row].tolist()
        samples = view.samples()
        html = atoms_html(model.captured(result.image), box, result.title(row), samples)
        if samples is not None:
            return html, row, gr.Button(visible=False)
        missing = view.missing()
        label = missing or f'Find the patches of {SURVEY} training images that these atoms stand for'
        return html, row, gr.Button(label, visible=True, interactive=not missing)

    def click(result: Result | None, event: gr.EventData) -> tuple:
        return show(result, event.box)

    bar = gr.Progress()  # gradio shows the progress of a handler by the default of an argument

    def find(result: Result, row: int, progress: Any = bar) -> tuple:
        model.find_samples(lambda share: progress(share, 'training images'))
        return show(result, row)

    outputs = [message, panel, chosen, button]
    failed = lambda: (gr.skip(), gr.skip(), gr.skip())  # noqa: E731
    stage.click(plainly(click, failed), result, outputs, **NETWORK)
    button.click(plainly(find, failed), [result, chosen], outputs, **NETWORK)
    return [panel]
