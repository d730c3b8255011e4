"""A config's test pipeline for pictures without annotations."""
from copy import deepcopy
from typing import Any

import numpy as np
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.config import Config
from mmengine.structures import InstanceData

from .image_set import data_sets
from .picture_files import check_whole


class PicturePipeline:
    """Loads pictures as the detector sees them at evaluation, and tells where in its input each one lies.

    The outline of the picture takes part as a box, so that whatever moves boxes (`Resize`, `Pad`, `YOLOResize`,
    `RectLetterbox`, ...) says where it went.

    Args:
        cfg: The pipeline is that of the validation or test data set, but for what loads annotations.
    """

    def __init__(self, cfg: Config) -> None:
        leaves = [leaf for split in ('val', 'test') for leaf in data_sets(cfg.get(f'{split}_dataloader'))]
        steps = deepcopy(next((leaf['pipeline'] for leaf in leaves if leaf.get('pipeline')), []))
        steps = [step for step in steps if not _loads_annotations(step)]
        if len(steps) < 2 or _name(steps[0]) != 'LoadImageFromFile' or _name(steps[-1]) != 'PackDetInputs':
            raise ValueError(f'{cfg.filename}: the pipeline of val_dataloader or test_dataloader should begin with '
                             f'LoadImageFromFile and end with PackDetInputs, got {[_name(step) for step in steps]}')
        self.description = repr(steps)
        self._loader, *self._steps = map(TRANSFORMS.build, steps)

    def load(self, path: str) -> dict[str, Any]:
        """Read a picture; one of `READ_ERRORS` if it is broken."""
        check_whole(path)
        return self._loader(dict(img_path=path))

    @staticmethod
    def blank(size: int = 64) -> dict[str, Any]:
        """A loaded picture of `size` x `size` pixels that is no file."""
        picture = np.full((size, size, 3), 114, np.uint8)
        return dict(img_path='a blank picture', img=picture, img_shape=(size, size), ori_shape=(size, size))

    def pack(self, loaded: dict[str, Any]) -> tuple[dict[str, Any], tuple[float, float, float, float]]:
        """`inputs` and `data_samples` of a loaded picture, and its outline x1, y1, x2, y2 in pixels of the input."""
        height, width = loaded['ori_shape']
        results = dict(loaded, gt_bboxes=HorizontalBoxes(np.float32([[0, 0, width, height]])))
        for step in self._steps:
            results = step(results)
        outline = results['data_samples'].gt_instances.bboxes.tensor[0].tolist()
        results['data_samples'].gt_instances = InstanceData()
        return results, tuple(outline)


def _name(step: dict) -> str:
    """The name of a transform, which may be given as 'mmdet.Resize' or as a class."""
    kind = step['type']
    return kind.rpartition('.')[2] if isinstance(kind, str) else kind.__name__


def _loads_annotations(step: dict) -> bool:
    name = _name(step)
    return (name.startswith('Load') and not name.startswith('LoadImage')) or name == 'FilterAnnotations'
