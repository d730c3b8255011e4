from .gelan import GELAN
from .rd_backbone import build_with_rd

__all__ = ['GELAN', 'build_with_rd']
