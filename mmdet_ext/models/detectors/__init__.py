from .pgi_detector import PGIDetector

__all__ = ['PGIDetector']
