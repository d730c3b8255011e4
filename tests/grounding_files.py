"""Small annotation files in MDETR's format."""
import json
from pathlib import Path

CAPTION = 'the red circle is left of the two stars'


def image(id_: int = 1, **fields) -> dict:
    return dict(id=id_, file_name=f'{id_}.png', height=80, width=100, caption=CAPTION, dataset_name='shapes') | fields


def row(id_: int = 1, **fields) -> dict:
    """A box on 'the red circle'."""
    return dict(id=id_, image_id=1, category_id=1, bbox=[10, 20, 30, 40], area=1200, iscrowd=0,
                tokens_positive=[[0, 14]]) | fields


def content(*rows: dict, images: tuple[dict, ...] = (image(), )) -> dict:
    return dict(images=list(images), annotations=list(rows))


def write_grounding(folder: Path, *rows: dict, images: tuple[dict, ...] = (image(), )) -> dict:
    """Write ann.json; return the arguments of a data set for it."""
    (folder / 'ann.json').write_text(json.dumps(content(*rows, images=images)))
    return dict(data_root=str(folder), ann_file='ann.json', data_prefix=dict(img=''))
