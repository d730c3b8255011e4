"""Find all mistakes in an annotation file in MDETR's format."""
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import ExifTags, Image

from ..text.positive_map import NUM_COLUMNS, span_tokens
from ..text.spans import Spans
from .annotation_file import size_of, size_problem
from .coco_checks import clip_box

# Boxes of published files stick out by rounding.
_TOLERANCE = 1.0


class Problem(NamedTuple):
    """A mistake: its kind, the image and annotation that have it, and a sentence about it."""
    kind: str
    position: str
    detail: str

    def __str__(self) -> str:
        return f'{self.position}: {self.detail}'


def span_problem(span: object, caption: str) -> str:
    """Why `span` is no range of characters [begin, end) of the caption, or '' if it is one."""
    if not (isinstance(span, (list, tuple)) and len(span) == 2 and all(type(limit) is int for limit in span)):
        return f'{span!r} is not a span [begin, end)'
    begin, end = span
    if begin >= end:
        return f'span [{begin}, {end}) is empty or reversed'
    if begin < 0 or end > len(caption):
        return f'span [{begin}, {end}) is outside the caption of {len(caption)} characters, {caption!r}'
    return ''


def positive_spans(annotation: dict) -> Spans | None:
    """The spans of an annotation: `tokens_positive`, or `tokens` as CLEVR's files have it."""
    spans = annotation.get('tokens_positive', annotation.get('tokens'))
    return spans if isinstance(spans, (list, tuple)) else None


def image_folder(image: dict, folders: Mapping[str, str]) -> str | None:
    """The folder of an image: that of its `data_source`, or else `img`."""
    return folders.get(image.get('data_source'), folders.get('img'))


def displayed_size(path: Path) -> tuple[int, int]:
    """(width, height) of an image file as OpenCV loads it: turned by its EXIF orientation. Only the header is read."""
    with Image.open(path) as image:
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
        return image.size[::-1] if turned else image.size


def grounding_problems(content: dict, *, folders: Mapping[str, str] | None = None,
                       offsets: Callable[[str], Sequence[Sequence[int]]] | None = None,
                       on_image: Callable[[], object] = lambda: None) -> Iterator[Problem]:
    """All mistakes in a file.

    Args:
        content: Of the json file, which `check_grounding_fields` finds nothing wrong with.
        folders: Of the images, by `data_source`, or as 'img'; None: image files are not read.
        offsets: The tokenizer: characters [start, end) of each token of a caption; None: tokens are not looked at.
        on_image: Called after each image.
    """
    images = {}
    for image in content['images']:
        if image['id'] in images:
            yield Problem('id twice', f'image {image["id"]}', 'images has this id twice')
        images[image['id']] = image
    yield from _id_problems(content.get('annotations', ()), images)
    rows = {}
    for annotation in content.get('annotations', ()):
        if not annotation.get('iscrowd', 0):
            rows.setdefault(annotation['image_id'], []).append(annotation)
    for image in content['images']:
        yield from _image_problems(image, folders)
        tokens = offsets(image['caption']) if offsets and isinstance(image.get('caption'), str) else None
        if tokens is not None and len(tokens) > NUM_COLUMNS:
            yield Problem('caption too long', _name(image), f'{len(tokens)} tokens, more than {NUM_COLUMNS}')
        for index, spans in enumerate(image.get('tokens_positive_eval', ())):
            yield from _span_problems(spans, image, f'{_name(image)}, tokens_positive_eval {index}', tokens)
        for annotation in rows.get(image['id'], ()):
            annotation_name = f'{_name(image)}, annotation {annotation["id"]}'
            yield from _span_problems(positive_spans(annotation), image, annotation_name, tokens)
            yield from _box_problems(annotation.get('bbox'), size_of(image), annotation_name)
        on_image()


def _name(image: dict) -> str:
    return f'image {image["id"]} ({image["file_name"]})'


def _id_problems(annotations: Sequence[dict], images: dict) -> Iterator[Problem]:
    seen = set()
    for annotation in annotations:
        annotation_name = f'image {annotation["image_id"]}, annotation {annotation["id"]}'
        if annotation['id'] in seen:
            yield Problem('id twice', annotation_name, 'annotations has this id twice')
        seen.add(annotation['id'])
        if annotation['image_id'] not in images:
            yield Problem('unknown image', annotation_name, 'there is no such image')


def _image_problems(image: dict, folders: Mapping[str, str] | None) -> Iterator[Problem]:
    caption = image.get('caption')
    if not (isinstance(caption, str) and caption.strip()):
        yield Problem('caption missing', _name(image), f'the caption is {caption!r}')
    if size_of(image) is None:
        yield Problem('size missing', _name(image), f'width {image.get("width")!r}, height {image.get("height")!r}')
    if folders is None:
        return
    folder = image_folder(image, folders)
    if folder is None:
        yield Problem('file missing', _name(image), f'no folder is given for the data_source '
                      f'{image.get("data_source")!r}')
        return
    path = Path(folder, image['file_name'])
    if not path.is_file():
        yield Problem('file missing', _name(image), f'there is no {path}')
        return
    try:
        size = displayed_size(path)
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises on files that are no images
        yield Problem('file unreadable', _name(image), f'{path} cannot be read: {error}')
        return
    if size_of(image) is not None and (problem := size_problem(str(path), size, size_of(image))):
        yield Problem('other size', _name(image), problem)


def _span_problems(spans: Spans | None, image: dict, position: str,
                   tokens: Sequence[Sequence[int]] | None) -> Iterator[Problem]:
    caption = image.get('caption')
    if not isinstance(spans, (list, tuple)):
        yield Problem('spans missing', position, 'there is no tokens_positive, and no tokens')
        return
    if not spans:
        yield Problem('spans missing', position, 'the list of spans is empty')
    for span in spans if isinstance(caption, str) else ():
        if problem := span_problem(span, caption):
            yield Problem('bad span', position, problem)
            continue
        begin, end = span
        if not caption[begin:end].strip():
            yield Problem('span on spaces', position, f'span [{begin}, {end}) covers nothing but spaces of {caption!r}')
        elif tokens is not None and not span_tokens(tokens, begin, end):
            yield Problem('span without token', position,
                          f'span [{begin}, {end}), {caption[begin:end]!r} of {caption!r}, has no token')


def _box_problems(bbox: object, size: tuple[int, int] | None, position: str) -> Iterator[Problem]:
    if size is None:
        return
    clipped, problem = clip_box(bbox, *size)
    if problem:
        yield Problem('bad box', position, f'bbox {bbox} {problem}')
        return
    x, y, width, height = bbox
    if max(abs(after - before) for after, before in zip(clipped, (x, y, x + width, y + height))) > _TOLERANCE:
        yield Problem('box sticks out', position, f'bbox {bbox} sticks out of the image of {size[0]} x {size[1]}')
