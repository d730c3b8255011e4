"""Write a COCO set into the formats and layouts of the usual label tools, without the package's own readers.

Every writer takes a `Source` and a folder, which it makes, and writes images and labels. Boxes keep the precision that
the format has.
"""
import base64
import csv
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

Writer = Callable[['Source', Path], None]
WRITERS: dict[str, Writer] = {}  # by name of format and layout
SPLIT_WRITERS: set[str] = set()  # names of those that keep the splits
ROBOFLOW_SPLITS = dict(train='train', val='valid', test='test')


class Item(NamedTuple):
    """An image with its boxes (x, y, w, h), labels from 0 and polygons."""
    split: str
    path: Path
    name: str  # unique over the splits
    width: int
    height: int
    boxes: list[list[float]]
    labels: list[int]
    polygons: list[list[list[float]]]


class Source(NamedTuple):
    classes: tuple[str, ...]
    items: list[Item]

    def of(self, split: str) -> list[Item]:
        return [item for item in self.items if item.split == split]

    @property
    def splits(self) -> list[str]:
        return list(dict.fromkeys(item.split for item in self.items))


def read_source(files: dict[str, tuple[Path, Path]]) -> Source:
    """A set of COCO files: for each split its json and the folder of its images. Crowds are left out."""
    items, classes = [], ()
    for split, (ann_file, folder) in files.items():
        content = json.loads(Path(ann_file).read_text())
        classes = tuple(category['name'] for category in content['categories'])
        label_of = {category['id']: label for label, category in enumerate(content['categories'])}
        for image in content['images']:
            rows = [row for row in content['annotations'] if row['image_id'] == image['id'] and not row['iscrowd']]
            items.append(Item(split, Path(folder, image['file_name']), f'{split}_{image["file_name"]}', image['width'],
                              image['height'], [row['bbox'] for row in rows],
                              [label_of[row['category_id']] for row in rows],
                              [row.get('segmentation') or [corners_of(row['bbox'])] for row in rows]))
    return Source(classes, items)


def shapes_source(folder: Path, splits: Sequence[str] = ('train', 'val')) -> Source:
    """The set of a folder of Shapes."""
    return read_source({split: (folder / 'annotations' / f'instances_{split}.json', folder / split)
                        for split in splits})


def write_format(name: str, source: Source, out: Path) -> Path:
    """Write a format of WRITERS into a new folder, and return the folder."""
    out.mkdir(parents=True)
    WRITERS[name](source, out)
    return out


def writer(name: str, *, splits: bool = False) -> Callable[[Writer], Writer]:
    def register(function: Writer) -> Writer:
        WRITERS[name] = function
        if splits:
            SPLIT_WRITERS.add(name)
        return function

    return register


def put(path: Path, content: object) -> None:
    """Write a text, bytes or json, and make the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))


def put_image(item: Item, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(item.path, path)


# COCO json


def coco_content(classes: Sequence[str], items: Sequence[Item], first_id: int = 1, **fields: object) -> dict:
    images, annotations = [], []
    for image_id, item in enumerate(items, 1):
        images.append(dict(id=image_id, file_name=item.name, width=item.width, height=item.height, **fields))
        for box, label, polygons in zip(item.boxes, item.labels, item.polygons, strict=True):
            annotations.append(dict(id=len(annotations) + 1, image_id=image_id, category_id=label + first_id, bbox=box,
                                    area=box[2] * box[3], segmentation=polygons, iscrowd=0))
    categories = [dict(id=label, name=name, supercategory='') for label, name in enumerate(classes, first_id)]
    return dict(info=dict(description=''), licenses=[], categories=categories, images=images, annotations=annotations)


@writer('coco', splits=True)
def write_coco(source: Source, out: Path) -> None:
    """As cocodataset.org: annotations/instances_train2017.json, train2017/."""
    for split in source.splits:
        put(out / 'annotations' / f'instances_{split}2017.json', coco_content(source.classes, source.of(split)))
        for item in source.of(split):
            put_image(item, out / f'{split}2017' / item.name)


@writer('coco roboflow', splits=True)
def write_coco_roboflow(source: Source, out: Path) -> None:
    """Category 0 is the project, which no box has; ids begin at 0."""
    for split in source.splits:
        content = coco_content(source.classes, source.of(split), license=1, date_captured='2024-01-01T00:00:00+00:00')
        for category in content['categories']:
            category['supercategory'] = 'shapes'
        content['categories'].insert(0, dict(id=0, name='shapes', supercategory='none'))
        for image in content['images']:
            image['id'] -= 1
        for number, row in enumerate(content['annotations']):
            row.update(id=number, image_id=row['image_id'] - 1, segmentation=[])
        folder = out / ROBOFLOW_SPLITS[split]
        put(folder / '_annotations.coco.json', content)
        for item in source.of(split):
            put_image(item, folder / item.name)
    put(out / 'README.roboflow.txt', 'exported via roboflow.com on January 1, 2024\n')


@writer('coco cvat')
def write_coco_cvat(source: Source, out: Path) -> None:
    """One file for all: annotations/instances_default.json and images/default/."""
    put(out / 'annotations' / 'instances_default.json', coco_content(source.classes, source.items))
    for item in source.items:
        put_image(item, out / 'images' / 'default' / item.name)


@writer('coco label studio')
def write_coco_label_studio(source: Source, out: Path) -> None:
    """result.json beside images/; names with backslashes, as on Windows; category ids from 0."""
    content = coco_content(source.classes, source.items, first_id=0)
    for image in content['images']:
        image['file_name'] = f'images\\{image["file_name"]}'
    put(out / 'result.json', content)
    for item in source.items:
        put_image(item, out / 'images' / item.name)


# YOLO txt


def yolo_lines(item: Item) -> str:
    return ''.join(f'{label} {(x + w / 2) / item.width:.6f} {(y + h / 2) / item.height:.6f} {w / item.width:.6f} '
                   f'{h / item.height:.6f}\n' for (x, y, w, h), label in zip(item.boxes, item.labels, strict=True))


def relative_points(points: Sequence[float], item: Item) -> str:
    return ' '.join(f'{value / (item.height if index % 2 else item.width):.6f}' for index, value in enumerate(points))


def corners_of(box: Sequence[float]) -> list[float]:
    x, y, w, h = box
    return [x, y, x + w, y, x + w, y + h, x, y + h]


def put_yolo(item: Item, image_folder: Path, label_folder: Path, lines: Callable[[Item], str] = yolo_lines) -> None:
    put_image(item, image_folder / item.name)
    put(label_folder / f'{Path(item.name).stem}.txt', lines(item))


@writer('yolo', splits=True)
def write_yolo(source: Source, out: Path) -> None:
    """As ultralytics' own sets: a dict of names, images/train and labels/train."""
    for item in source.items:
        put_yolo(item, out / 'images' / item.split, out / 'labels' / item.split)
    names = ''.join(f'  {label}: {name}\n' for label, name in enumerate(source.classes))
    splits = ''.join(f'{split}: images/{split}\n' for split in source.splits)
    put(out / 'data.yaml', f'path: .  # dataset root dir\n{splits}\nnames:\n{names}')


@writer('yolo roboflow', splits=True)
def write_yolo_roboflow(source: Source, out: Path) -> None:
    """Paths that begin with ../ although they lie beside data.yaml."""
    for item in source.items:
        folder = out / ROBOFLOW_SPLITS[item.split]
        put_yolo(item, folder / 'images', folder / 'labels')
    splits = ''.join(f'{split}: ../{ROBOFLOW_SPLITS[split]}/images\n' for split in source.splits)
    put(out / 'data.yaml', f'{splits}\nnc: {len(source.classes)}\nnames: {list(source.classes)}\n\nroboflow:\n'
        '  workspace: w\n  project: p\n  version: 1\n')


@writer('yolo lists', splits=True)
def write_yolo_lists(source: Source, out: Path) -> None:
    """data.yaml that names .txt lists of images."""
    for item in source.items:
        put_yolo(item, out / 'images', out / 'labels')
    for split in source.splits:
        put(out / f'{split}.txt', ''.join(f'./images/{item.name}\n' for item in source.of(split)))
    splits = ''.join(f'{split}: {split}.txt\n' for split in source.splits)
    put(out / 'data.yaml', f'{splits}names: {list(source.classes)}\n')


@writer('yolo label studio')
def write_yolo_label_studio(source: Source, out: Path) -> None:
    """One folder each of images and labels, classes.txt and notes.json."""
    for item in source.items:
        put_yolo(item, out / 'images', out / 'labels')
    put(out / 'classes.txt', ''.join(f'{name}\n' for name in source.classes))
    categories = [dict(id=label, name=name) for label, name in enumerate(source.classes)]
    put(out / 'notes.json', dict(categories=categories, info=dict(year=2024, contributor='Label Studio')))


@writer('yolo cvat')
def write_yolo_cvat(source: Source, out: Path) -> None:
    """YOLO 1.1: obj.data, obj.names, train.txt, and labels beside the images."""
    for item in source.items:
        put_yolo(item, out / 'obj_train_data', out / 'obj_train_data')
    put(out / 'obj.names', ''.join(f'{name}\n' for name in source.classes))
    put(out / 'obj.data', f'classes = {len(source.classes)}\ntrain = data/train.txt\nnames = data/obj.names\n'
        'backup = backup/\n')
    put(out / 'train.txt', ''.join(f'data/obj_train_data/{item.name}\n' for item in source.items))


@writer('yolo polygons', splits=True)
def write_yolo_polygons(source: Source, out: Path) -> None:
    """One polygon a row; of an object of several parts the corners of all."""

    def lines(item: Item) -> str:
        return ''.join(f'{label} {relative_points(list(chain(*polygons)), item)}\n'
                       for label, polygons in zip(item.labels, item.polygons, strict=True))

    for item in source.items:
        put_yolo(item, out / item.split / 'images', out / item.split / 'labels', lines)
    put(out / 'data.yaml', ''.join(f'{split}: {split}/images\n' for split in source.splits)
        + f'names: {list(source.classes)}\n')


@writer('yolo obb')
def write_yolo_obb(source: Source, out: Path) -> None:
    """Four corners a row."""

    def lines(item: Item) -> str:
        return ''.join(f'{label} {relative_points(corners_of(box), item)}\n'
                       for label, box in zip(item.labels, item.boxes, strict=True))

    for item in source.items:
        put_yolo(item, out / 'images', out / 'labels', lines)
    put(out / 'classes.txt', '\n'.join(source.classes))


# Pascal VOC xml


def voc_xml(item: Item, classes: Sequence[str]) -> str:
    """Boxes from the first to the last pixel, counted from 1."""
    objects = ''.join(
        f'<object><name>{escape(classes[label])}</name><pose>Unspecified</pose><truncated>0</truncated>'
        f'<difficult>0</difficult><bndbox><xmin>{x + 1:g}</xmin><ymin>{y + 1:g}</ymin>'
        f'<xmax>{x + w:g}</xmax><ymax>{y + h:g}</ymax></bndbox></object>\n'
        for (x, y, w, h), label in zip(item.boxes, item.labels, strict=True))
    return (f'<annotation><folder>images</folder><filename>{escape(item.name)}</filename>'
            f'<size><width>{item.width}</width><height>{item.height}</height><depth>3</depth></size>\n'
            f'<segmented>0</segmented>\n{objects}</annotation>\n')


@writer('voc', splits=True)
def write_voc(source: Source, out: Path) -> None:
    """Annotations, JPEGImages and ImageSets/Main, in a folder of the year."""
    folder = out / 'VOCdevkit' / 'VOC2007'
    for item in source.items:
        put_image(item, folder / 'JPEGImages' / item.name)
        put(folder / 'Annotations' / f'{Path(item.name).stem}.xml', voc_xml(item, source.classes))
    for split in source.splits:
        put(folder / 'ImageSets' / 'Main' / f'{split}.txt',
            ''.join(f'{Path(item.name).stem}\n' for item in source.of(split)))


@writer('voc beside')
def write_voc_beside(source: Source, out: Path) -> None:
    """As LabelImg: the xml beside each image."""
    for item in source.items:
        put_image(item, out / item.name)
        put(out / f'{Path(item.name).stem}.xml', '<?xml version="1.0"?>\n' + voc_xml(item, source.classes))


@writer('voc roboflow', splits=True)
def write_voc_roboflow(source: Source, out: Path) -> None:
    for item in source.items:
        folder = out / ROBOFLOW_SPLITS[item.split]
        put_image(item, folder / item.name)
        put(folder / f'{Path(item.name).stem}.xml', voc_xml(item, source.classes))


# json of other tools


@writer('labelme')
def write_labelme(source: Source, out: Path) -> None:
    """A json beside each image: rectangles, for every second image with the corners in another order."""
    for number, item in enumerate(source.items):
        shapes = []
        for (x, y, w, h), label in zip(item.boxes, item.labels, strict=True):
            points = [[x, y], [x + w, y + h]] if number % 2 else [[x + w, y], [x, y + h]]
            shapes.append(dict(label=source.classes[label], points=points, group_id=None, shape_type='rectangle',
                               flags={}))
        put_image(item, out / item.name)
        put(out / f'{Path(item.name).stem}.json', dict(
            version='5.4.1', flags={}, shapes=shapes, imagePath=item.name, imageHeight=item.height,
            imageWidth=item.width, imageData=base64.b64encode(item.path.read_bytes()).decode()))


@writer('createml', splits=True)
def write_createml(source: Source, out: Path) -> None:
    for split in source.splits:
        folder, rows = out / ROBOFLOW_SPLITS[split], []
        for item in source.of(split):
            put_image(item, folder / item.name)
            rows.append(dict(image=item.name, annotations=[
                dict(label=source.classes[label], coordinates=dict(x=x + w / 2, y=y + h / 2, width=w, height=h))
                for (x, y, w, h), label in zip(item.boxes, item.labels, strict=True)]))
        put(folder / '_annotations.createml.json', rows)


@writer('via')
def write_via(source: Source, out: Path) -> None:
    """VGG Image Annotator's project file, beside the images."""
    metadata = {}
    for item in source.items:
        put_image(item, out / item.name)
        size = item.path.stat().st_size
        metadata[f'{item.name}{size}'] = dict(filename=item.name, size=size, file_attributes={}, regions=[
            dict(shape_attributes=dict(name='rect', x=x, y=y, width=w, height=h),
                 region_attributes=dict(type=source.classes[label]))
            for (x, y, w, h), label in zip(item.boxes, item.labels, strict=True)])
    put(out / 'via_project.json', dict(_via_settings={}, _via_img_metadata=metadata, _via_attributes={}))


# CSV


def boxes_of(items: Sequence[Item]) -> Iterator[tuple[Item, Sequence[float], int]]:
    for item in items:
        for box, label in zip(item.boxes, item.labels, strict=True):
            yield item, box, label


def put_csv(path: Path, rows: Sequence[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, 'w', newline='') as file:
        csv.writer(file).writerows(rows)


@writer('csv roboflow', splits=True)
def write_csv_roboflow(source: Source, out: Path) -> None:
    for split in source.splits:
        folder = out / ROBOFLOW_SPLITS[split]
        rows = [(item.name, item.width, item.height, source.classes[label], x, y, x + w, y + h)
                for item, (x, y, w, h), label in boxes_of(source.of(split))]
        put_csv(folder / '_annotations.csv', [('filename', 'width', 'height', 'class', 'xmin', 'ymin', 'xmax', 'ymax'),
                                              *rows])
        for item in source.of(split):
            put_image(item, folder / item.name)


@writer('csv retinanet')
def write_csv_retinanet(source: Source, out: Path) -> None:
    """Without a header; an image without boxes has an empty row."""
    rows = [(f'images/{item.name}', x, y, x + w, y + h, source.classes[label])
            for item, (x, y, w, h), label in boxes_of(source.items)]
    rows += [(f'images/{item.name}', '', '', '', '', '') for item in source.items if not item.boxes]
    put_csv(out / 'annotations.csv', rows)
    for item in source.items:
        put_image(item, out / 'images' / item.name)


@writer('csv makesense')
def write_csv_makesense(source: Source, out: Path) -> None:
    put_csv(out / 'labels.csv', [
        ('label_name', 'bbox_x', 'bbox_y', 'bbox_width', 'bbox_height', 'image_name', 'image_width', 'image_height'),
        *((source.classes[label], *box, item.name, item.width, item.height)
          for item, box, label in boxes_of(source.items))])
    for item in source.items:
        put_image(item, out / item.name)


@writer('csv open images')
def write_csv_open_images(source: Source, out: Path) -> None:
    """Fractions of the image's size, and names without their suffix."""
    put_csv(out / 'boxes.csv', [
        ('ImageID', 'Source', 'LabelName', 'Confidence', 'XMin', 'XMax', 'YMin', 'YMax'),
        *((Path(item.name).stem, 'xclick', source.classes[label], 1, x / item.width, (x + w) / item.width,
           y / item.height, (y + h) / item.height) for item, (x, y, w, h), label in boxes_of(source.items))])
    for item in source.items:
        put_image(item, out / 'images' / item.name)
