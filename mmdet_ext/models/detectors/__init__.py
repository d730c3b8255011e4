from .mdetr import MDETR
from .pgi_detector import PGIDetector
from .smca_detr import SMCADETR

__all__ = ['MDETR', 'PGIDetector', 'SMCADETR']
