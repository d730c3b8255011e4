"""Scenes to COCO instance annotations: what is visible of each object, as box and polygons."""
from collections.abc import Sequence

import numpy as np

from .outline import outlines
from .raster import visible_masks
from .scene import SHAPE_CLASSES, Scene

_CATEGORY_IDS = {name: index for index, name in enumerate(SHAPE_CLASSES, 1)}


def to_coco(scenes: Sequence[Scene]) -> dict:
    """The content of an `instances_*.json`.

    The polygons run along the edges of pixels: rasterised, they are the visible mask exactly, and `bbox`
    (x, y, width, height) is its extent. `object_id` is the object's id in its scene.
    """
    annotations = []
    for scene in scenes:
        for obj, mask in zip(scene.objects, visible_masks(scene), strict=True):
            parts, holes = outlines(mask)
            if holes:
                raise ValueError(f'Object {obj.id} of {scene.file_name} should be visible without a hole inside it.')
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=scene.image_id,
                    category_id=_CATEGORY_IDS[obj.shape],
                    bbox=list(obj.box),
                    area=int(np.count_nonzero(mask)),
                    segmentation=[[value for corner in part for value in corner] for part in parts],
                    iscrowd=0,
                    object_id=obj.id))
    return dict(
        info=dict(description='Shapes'),
        images=[dict(id=s.image_id, file_name=s.file_name, width=s.width, height=s.height) for s in scenes],
        annotations=annotations,
        categories=[dict(id=id_, name=name, supercategory='shape') for name, id_ in _CATEGORY_IDS.items()])
