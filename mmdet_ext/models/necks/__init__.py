from .extra_map_mapper import ExtraMapMapper
from .gelan_pan import GELANPAN
from .rd_neck import RDNeck
from .torch_init import TorchInit

__all__ = ['GELANPAN', 'ExtraMapMapper', 'RDNeck', 'TorchInit']
