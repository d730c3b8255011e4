from .gelan import GELAN

__all__ = ['GELAN']
