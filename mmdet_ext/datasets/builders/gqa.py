"""Annotation files of MDETR from GQA: one entry for each question, with the boxes of the objects that it names.

https://arxiv.org/abs/2104.12763, appendix; https://arxiv.org/abs/1902.09506
"""
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from .gqa_spans import object_spans
from .json_stream import stream_members
from .parts import Pair, Part, write_parts
from .picture_sizes import Sizes, checked_size, picture_file_size
from .spans import consolidate_spans

FORMS = ('finetune', 'pretrain')


class Scene(NamedTuple):
    """A scene graph: (height, width) of the picture, None where it is not told, and x, y, w, h of each object."""
    size: tuple[int, int] | None
    boxes: Mapping[str, list[float]]


class Sources(NamedTuple):
    """What questions are looked up in.

    Attributes:
        scenes: Scene graphs by the id of their picture.
        sizes: (height, width) of pictures by their id; these come before those of scene graphs.
        pictures: Folder to read other sizes from.
    """
    scenes: Mapping[str, Scene]
    sizes: Sizes
    pictures: Path | None = None


def question_files(folder: Path, split: str, subset: str) -> list[Path]:
    """The files of questions, as GQA names them: `train_all_questions` is a folder of ten of them.

    Raises:
        ValueError: If there is none.
    """
    name = f'{split}_{subset}_questions'
    if (folder / f'{name}.json').is_file():
        return [folder / f'{name}.json']
    found = sorted((folder / name).glob('*.json'), key=lambda path: (len(path.name), path.name))
    if not found:
        raise ValueError(f'{folder} has no {name}.json, and no folder {name} with json files')
    return found


def read_scenes(path: Path, *, on_bytes: Callable[[int], object] = lambda count: None) -> dict[str, Scene]:
    """The boxes of a file of scene graphs, such as `train_sceneGraphs.json`.

    Raises:
        ValueError: If an object has no box.
    """
    scenes = {}
    for image_id, graph in stream_members(path, on_bytes=on_bytes):
        where = f'{path}: picture {image_id}'
        if not isinstance(graph, Mapping) or not isinstance(graph.get('objects'), Mapping):
            raise ValueError(f'{where} has no table of objects')
        boxes = {}
        for key, row in graph['objects'].items():
            box = [row.get(side) if isinstance(row, Mapping) else None for side in 'xywh']
            if not all(type(value) in (int, float) for value in box):
                raise ValueError(f'{where}, object {key} should have x, y, w and h, got {box}')
            boxes[key] = box
        size = [graph['height'], graph['width']] if 'height' in graph and 'width' in graph else None
        scenes[image_id] = Scene(size and checked_size(size, where), boxes)
    return scenes


def build_gqa(files: Sequence[Path], out: Path, sources: Sources, *, form: str = 'finetune',
              inputs: Sequence[Path] = (), on_bytes: Callable[[int], object] = lambda count: None) -> Counter:
    """Write the annotation file of a split.

    Questions without boxes are kept. After an interruption a second call goes on with the file of questions that the
    first was at (`write_parts`).

    Args:
        files: Of questions, in their order. They are read one question at a time.
        out: File to write.
        sources: Scene graphs and sizes of pictures.
        form: 'finetune' for question answering, or 'pretrain' without answers, types and ids of questions.
        inputs: The files behind `sources`; when they change, nothing of an earlier run is kept.
        on_bytes: Called with the number of bytes of each piece of the files that is done.

    Returns:
        How many there are of what.

    Raises:
        ValueError: If a question is broken, or there is no size for its picture.
    """
    if form not in FORMS:
        raise ValueError(f'form must be one of {FORMS}, got {form!r}')

    def part(path: Path) -> Part:
        return Part(path, lambda counts: _pairs(path, sources, form, counts, on_bytes))

    options = dict(form=form, pictures=sources.pictures and str(sources.pictures))
    return write_parts(out, [part(path) for path in files], options=options, inputs=inputs,
                       on_kept=lambda part: on_bytes(part.source.stat().st_size))


def _pairs(path: Path, sources: Sources, form: str, counts: Counter,
           on_bytes: Callable[[int], object]) -> Iterator[Pair]:
    for question_id, question in stream_members(path, on_bytes=on_bytes):
        yield question_pair(question_id, question, sources, counts, f'{path}: question {question_id}', form=form)


def question_pair(question_id: str, question: Mapping, sources: Sources, counts: Counter, where: str, *,
                  form: str = 'finetune') -> Pair:
    """The entry of a question and its boxes.

    Args:
        question_id: Its id.
        question: As in the file.
        sources: Scene graphs and sizes.
        counts: Gets what was found and left out.
        where: File and id, for errors.
        form: As for `build_gqa`.
    """
    if not isinstance(question, Mapping):
        raise ValueError(f'{where} should be a table, got {question!r}')
    caption, image_id = (_text(question, key, where) for key in ('question', 'imageId'))
    height, width = _size(image_id, sources, where)
    image = dict(file_name=f'{image_id}.jpg', height=height, width=width, original_id=image_id, caption=caption,
                 tokens_negative=[[0, len(caption)]], dataset_name='gqa')
    if form == 'finetune':
        image |= _answer_fields(question, where) | dict(questionId=question_id)
    scene = sources.scenes.get(image_id)
    rows = []
    for key, spans in object_spans(question, caption, counts, where).items():
        box = scene and scene.boxes.get(key)
        spans = consolidate_spans(spans, caption)
        if box is None:
            counts['left out: objects that are not in the scene graph'] += 1
        elif not spans:
            counts['left out: objects named by nothing but punctuation'] += 1
        else:
            rows.append(dict(area=box[2] * box[3], iscrowd=0, category_id=1, bbox=list(box), tokens_positive=spans))
    counts['captions without boxes'] += not rows
    return image, rows


def _answer_fields(question: Mapping, where: str) -> dict[str, str]:
    """`question_type` and `answer`, which the questions of test splits do not have."""
    fields = {}
    if 'types' in question:
        types = question['types']
        fields['question_type'] = _text(types if isinstance(types, Mapping) else {}, 'semantic', f'{where}, types')
    if 'answer' in question:
        fields['answer'] = _text(question, 'answer', where)
    return fields


def _text(table: Mapping, key: str, where: str) -> str:
    if not isinstance(table.get(key), str):
        raise ValueError(f'{where}: {key} should be a text, got {table.get(key)!r}')
    return table[key]


def _size(image_id: str, sources: Sources, where: str) -> tuple[int, int]:
    if size := sources.sizes.get(image_id):
        return size
    scene = sources.scenes.get(image_id)
    if scene and scene.size:
        return scene.size
    if sources.pictures:
        return picture_file_size(sources.pictures / f'{image_id}.jpg')
    raise ValueError(f'{where}: there is no size of picture {image_id}: give image_data.json or the folder of pictures')
