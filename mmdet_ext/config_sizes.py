"""The sizes in a config's pipelines: `image_size_of` measures them, `with_sizes_scaled` changes them all."""
from collections.abc import Iterator
from typing import Any

# Type of a transform or data set: its arguments in pixels, and the default of each (None: it has none to change).
SIZES: dict[str, dict[str, Any]] = dict(
    YOLOResize=dict(size=640),
    YOLOMosaic=dict(size=640),
    YOLOAffine=dict(size=(640, 640)),
    FloorResize=dict(scales=None),
    BoxSafeRandomCrop=dict(min_size=None, max_size=None),
    Resize=dict(scale=None),
    FixScaleResize=dict(scale=None),
    RandomResize=dict(scale=None),
    RandomChoiceResize=dict(scales=None),
    ResizeShortestEdge=dict(scale=None, max_size=None),
    RandomCrop=dict(crop_size=None),
    Pad=dict(size=None),
    Mosaic=dict(img_scale=(640, 640)),
    CachedMosaic=dict(img_scale=(640, 640)),
    MixUp=dict(img_scale=(640, 640)),
    CachedMixUp=dict(img_scale=(640, 640)),
    RandomAffine=dict(border=None),
    BatchFixedSizePad=dict(size=None),
    BatchSyncRandomResize=dict(random_size_range=None))
RESIZES = dict(YOLOResize='size', FloorResize='scales', Resize='scale', FixScaleResize='scale')
# Types whose images must have sides that are multiples of the coarsest stride.
SQUARE = {'YOLOMosaic', 'YOLOAffine', 'YOLOResize', 'Mosaic', 'CachedMosaic'}
STRIDE = 32


def type_name(node: dict) -> str:
    """Name of the class that a dict of a config builds, without the scope; '' if it builds none."""
    kind = node.get('type', '')
    return (kind if isinstance(kind, str) else getattr(kind, '__name__', '')).rpartition('.')[2]


def dicts_in(node: Any) -> Iterator[dict]:
    """All dicts in nested dicts and lists, from the outside to the inside."""
    if isinstance(node, (list, tuple)):
        for value in node:
            yield from dicts_in(value)
    elif isinstance(node, dict):
        yield node
        for value in dict.values(node):
            yield from dicts_in(value)


def image_size_of(dataloader: dict | None) -> int | None:
    """The side in pixels to which a dataloader resizes images: the long one for YOLO, the short one for DETR.

    None where no transform of the pipeline resizes to one size.
    """
    for node in dicts_in(dataloader):
        if key := RESIZES.get(type_name(node)):
            value = node.get(key, SIZES[type_name(node)][key])
            while isinstance(value, (list, tuple)) and value:
                value = value[0] if isinstance(value[0], (list, tuple)) else min(filter(None, value), default=None)
            if value:
                return value
    return None


def with_sizes_scaled(node: Any, factor: float) -> Any:
    """A copy of a part of a config, in which every size of `SIZES` is multiplied by a factor and rounded."""
    if isinstance(node, (list, tuple)):
        return type(node)(with_sizes_scaled(value, factor) for value in node)
    if not isinstance(node, dict):
        return node
    scaled = {key: with_sizes_scaled(value, factor) for key, value in dict.items(node)}
    name = type_name(node)
    if not (name == 'RandomCrop' and 'relative' in node.get('crop_type', 'absolute')):
        for key, default in SIZES.get(name, {}).items():
            if (value := node.get(key, default)) is not None:
                scaled[key] = _scaled(value, factor)
    if name == 'YOLOCocoDataset' and node.get('batch_shapes') is not None:
        scaled['batch_shapes']['size'] = _scaled(node['batch_shapes'].get('size', 640), factor)
    return type(node)(scaled)


def _scaled(value: Any, factor: float) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(_scaled(part, factor) for part in value)
    if not isinstance(value, (int, float)) or value in (0, float('inf')):
        return value
    return round(value * factor) or (1 if value > 0 else -1)
