"""Examples for the page: images of a config's test set, with captions if it has any."""
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..dictionary.sources.image_set import named_files
from ..visualization.images import unique_names
from .parts import new_folder

COUNT = 8


def examples_of(cfg: Config | None, count: int = COUNT) -> list[tuple[str, str]]:
    """(file, caption) of some images of the test set, spread evenly over it; '' where there is no caption.

    Empty if annotation file or images are not there.
    """
    for ann_file, folder in named_files(cfg, 'test') if cfg is not None else ():
        try:
            rows = json.loads(ann_file.read_text(encoding='utf-8'))['images']
        except (OSError, ValueError, KeyError, TypeError):  # the page works without examples
            continue
        step = max(1, len(rows) // count)
        chosen = {row['file_name']: row.get('caption') or '' for row in rows[::step] if 'file_name' in row}
        files = [(str(folder / name), caption) for name, caption in chosen.items()]
        present = [(file, caption) for file, caption in files if Path(file).is_file()]
        if present:
            return present[:count]
    return []


def add_examples(gr: Any, examples: Sequence[tuple[str, str]], image: Any, text: Any) -> None:
    """Add small copies of the images to choose from; a click puts the image and its caption into the inputs.

    The files are copied: gradio does not serve them where they are.
    """
    if not examples:
        return
    folder = new_folder()
    names = unique_names([file for file, _ in examples])
    copies = [shutil.copy(file, folder / f'{name}{Path(file).suffix}')
              for (file, _), name in zip(examples, names, strict=True)]
    dataset = gr.Dataset(components=[image], samples=[[str(copy)] for copy in copies], type='index',
                         label='Examples: test images', samples_per_page=len(copies), elem_classes='examples')
    captions = [caption for _, caption in examples]
    dataset.click(lambda index: (str(copies[index]), captions[index]), dataset, [image, text], queue=False,
                  show_progress='hidden')
