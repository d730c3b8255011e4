"""A small data set in the form of RefCOCO's."""
import json
import pickle
from pathlib import Path

BOX = [10.5, 20.25, 30.0, 40.0]


def ref(number: int, split: str, image: int, *texts: str, **fields) -> dict:
    sentences = [dict(sent=text, raw=text.upper(), tokens=text.split(), sent_id=place)
                 for place, text in enumerate(texts)]
    return dict(ref_id=number, ann_id=100 + number, image_id=image, category_id=1, split=split, sentences=sentences,
                file_name=f'COCO_train2014_{image:012d}_{number}.jpg') | fields


REFS = (ref(1, 'train', 5, 'the woman near the dog', 'lady'), ref(2, 'val', 6, 'left guy'), ref(3, 'train', 6, 'him'),
        ref(4, 'testA', 7, 'a big cup'))


def write_refer(root: Path, name: str = 'refcoco', refs: tuple[dict, ...] = REFS, **tables: list) -> Path:
    """Write NAME/refs(...).p and NAME/instances.json; returns `root`."""
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    kind = 'umd' if name == 'refcocog' else 'unc'
    (folder / f'refs({kind}).p').write_bytes(pickle.dumps(list(refs), protocol=2))
    content = dict(
        images=[dict(id=id_, file_name='', height=90, width=100) for id_ in (5, 6, 7)],
        annotations=[dict(id=id_, image_id=5, bbox=BOX, area=700.5, iscrowd=0, category_id=18)
                     for id_ in (101, 102, 103, 104)],
        categories=[dict(id=18, name='dog')]) | tables
    (folder / 'instances.json').write_text(json.dumps(content))
    return root
