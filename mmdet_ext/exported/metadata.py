"""What an exported file says about itself: how images are prepared for it, and what its outputs mean."""
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

KEY = 'mmdet_ext'  # under which the json stands among the file's own metadata
SYSTEMS = ('yolov9', 'smca', 'mdetr')
PRECISIONS = ('fp32', 'fp16', 'int8')


@dataclass(frozen=True)
class Metadata:
    """The metadata of an exported file.

    Attributes:
        system: 'yolov9', 'smca' or 'mdetr': how outputs are read.
        classes: Names of the classes; None where captions name what is looked for.
        image_size: (height, width) of the input `images` in pixels; None where both are dynamic.
        stride: Sides of `images` are multiples of it, in pixels.
        pipeline: The steps of the test pipeline from the reading of an image to its packing, as in a config.
        mean: Is subtracted from the channels of an image, in the range 0 to 255, after the pipeline.
        std: By which the channels are divided.
        bgr_to_rgb: Whether `images` has the order RGB.
        pad_value: Of images that are smaller than the input, on the right and below, after the division.
        inputs: Names of the inputs, `images` (B, 3, H, W) float32 first.
        outputs: Names of the outputs.
        batch_size: Of the inputs; None where it is dynamic.
        nms: Whether NMS is in the file.
        precision: 'fp32', 'fp16' or 'int8', of the network; inputs and outputs are float32.
        test_cfg: For what is left to do after the file ran: of YOLOv9 the arguments of `batch_detections`.
        text: For MDETR how captions come in, and what its outputs need to be read.
        versions: Of the libraries that wrote the file.
        file: Where the metadata were read from; not stored.
    """
    system: str
    classes: Sequence[str] | None
    image_size: tuple[int, int] | None
    stride: int
    pipeline: Sequence[dict]
    mean: Sequence[float]
    std: Sequence[float]
    bgr_to_rgb: bool
    pad_value: float
    inputs: Sequence[str]
    outputs: Sequence[str]
    batch_size: int | None = 1
    nms: bool = True
    precision: str = 'fp32'
    test_cfg: dict = field(default_factory=dict)
    text: dict | None = None
    versions: dict = field(default_factory=dict)
    file: Path | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        for name, allowed in (('system', SYSTEMS), ('precision', PRECISIONS)):
            if getattr(self, name) not in allowed:
                raise ValueError(f'{name} should be one of {", ".join(allowed)}, got {getattr(self, name)!r}')

    def to_json(self) -> str:
        return json.dumps({name: value for name, value in asdict(self).items() if name != 'file'}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str, file: Path | None = None) -> 'Metadata':
        """Read what `to_json` wrote.

        Raises:
            ValueError: It is no json, or lacks something; names `file`.
        """
        try:
            values = _with_tuples(json.loads(text))
        except ValueError as error:
            raise ValueError(f'{file}: the value of the key {KEY!r} is no json ({error})') from error
        known = {entry.name for entry in fields(cls)} - {'file'}
        try:
            return cls(file=file, **{name: value for name, value in values.items() if name in known})
        except (TypeError, ValueError, AttributeError) as error:
            raise ValueError(f'{file}: the metadata {KEY!r} cannot be read ({error})') from error


def read_metadata(text: str | None, path: Path) -> Metadata:
    """Metadata from the json in a file.

    Raises:
        ValueError: There is none, or it is damaged.
    """
    if not text:
        raise ValueError(f'{path} has no metadata {KEY!r}: it was not written by tools/export.py')
    return Metadata.from_json(text, path)


def beside(path: Path) -> Path:
    """The json file beside an engine, which has no place for metadata."""
    return path.with_suffix('.json')


def metadata_beside(path: Path) -> Metadata:
    try:
        return read_metadata(json.loads(beside(path).read_text(encoding='utf-8')).get(KEY), beside(path))
    except json.JSONDecodeError as error:
        raise ValueError(f'{beside(path)} is no json ({error})') from error


def _with_tuples(value: Any) -> Any:
    """json's lists as tuples: the transforms of mmcv tell one from the other."""
    if isinstance(value, dict):
        return {key: _with_tuples(inner) for key, inner in value.items()}
    return tuple(_with_tuples(inner) for inner in value) if isinstance(value, list) else value
