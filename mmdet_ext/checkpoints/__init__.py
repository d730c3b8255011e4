"""Read published checkpoints safely, rename their tensors, and write checkpoints for this package."""
from ..unpickler import CheckpointError
from .config_check import check_conversion
from .conversion import SYSTEMS, Conversion, convert, convert_with_report
from .reader import Published, read_checkpoint
from .writer import write_checkpoint

__all__ = [
    'SYSTEMS', 'CheckpointError', 'Conversion', 'Published', 'check_conversion', 'convert', 'convert_with_report',
    'read_checkpoint', 'write_checkpoint'
]
