from .gelan_pan import GELANPAN

__all__ = ['GELANPAN']
