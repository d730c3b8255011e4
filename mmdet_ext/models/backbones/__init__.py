from .gelan import GELAN
from .plain_resnet import PlainResNet
from .rd_backbone import build_with_rd

__all__ = ['GELAN', 'PlainResNet', 'build_with_rd']
