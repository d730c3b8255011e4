"""Importing this package registers every model part in `mmdet.registry`."""
from . import auxiliaries, backbones, dense_heads, detectors, necks, task_modules, text_encoders, transformers  # noqa: F401
