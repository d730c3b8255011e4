"""Plain modules and functions: nothing here is registered."""
from .atoms import Atoms, load_atoms
from .ciou import complete_iou
from .composite import CBLinear, cb_fuse
from .conv import Conv, RepConv
from .distribution import distances_to_boxes, distribution_focal_loss, expected_distances
from .downsample import AConv, ADown
from .elan import ELAN, SPPELAN, RepBottleneck, RepCSP
from .fuse import fuse
from .gelan_trunk import TRUNK_ARCHS, GELANTrunk, trunk_arch
from .retriever_dictionary import PAPER_FORM, FoldedRetrieverDictionary, RetrieverDictionary, positional_norm
from .top_down import TOP_DOWN_CHANNELS, TopDown

__all__ = [
    'AConv', 'ADown', 'Atoms', 'CBLinear', 'Conv', 'ELAN', 'FoldedRetrieverDictionary', 'GELANTrunk', 'PAPER_FORM',
    'RepBottleneck', 'RepCSP', 'RepConv', 'RetrieverDictionary', 'SPPELAN', 'TOP_DOWN_CHANNELS', 'TRUNK_ARCHS',
    'TopDown', 'cb_fuse', 'complete_iou', 'distances_to_boxes', 'distribution_focal_loss', 'expected_distances',
    'fuse', 'load_atoms', 'positional_norm', 'trunk_arch'
]
