"""The box of a row of an annotation file, for metrics that read the file themselves."""
from math import isfinite


def annotated_corners(row: dict, file: str) -> list[float]:
    """(x1, y1, x2, y2) of the row's `bbox` (x, y, w, h), in pixels.

    Raises:
        ValueError: If it is not four numbers; it names file, annotation and value.
    """
    bbox = row.get('bbox')
    if not (isinstance(bbox, (list, tuple)) and len(bbox) == 4
            and all(isinstance(side, (int, float)) and isfinite(side) for side in bbox)):
        raise ValueError(f'{file}: annotation {row.get("id")} of image {row.get("image_id")}: bbox {bbox} is not four '
                         'numbers')
    x, y, width, height = bbox
    return [x, y, x + width, y + height]
