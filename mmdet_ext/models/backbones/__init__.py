from .gelan import GELAN
from .plain_resnet import PlainResNet

__all__ = ['GELAN', 'PlainResNet']
