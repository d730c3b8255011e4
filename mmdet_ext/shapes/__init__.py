"""Shapes: a small data set of coloured shapes, made by a program; the same seed gives the same bytes."""
from .coco import to_coco
from .folder import FolderReport, ShapesConfig, load_scenes, make_shapes
from .grounding import to_grounding, to_questions, to_refexp
from .raster import owner_map, visible_masks
from .render import render_scene
from .sampling import MIN_VISIBLE, sample_scene
from .scene import COLORS, RELATIONS, SHAPE_CLASSES, SIZES, Background, Relation, Scene, SceneObject

__all__ = [
    'COLORS', 'MIN_VISIBLE', 'RELATIONS', 'SHAPE_CLASSES', 'SIZES', 'Background', 'FolderReport', 'Relation', 'Scene',
    'SceneObject', 'ShapesConfig', 'load_scenes', 'make_shapes', 'owner_map', 'render_scene', 'sample_scene', 'to_coco',
    'to_grounding', 'to_questions', 'to_refexp', 'visible_masks'
]
