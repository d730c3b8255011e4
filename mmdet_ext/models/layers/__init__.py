"""Plain modules and functions: nothing here is registered."""
from .atoms import Atoms, load_atoms
from .attention import Attention, build_attention
from .ciou import complete_iou
from .composite import CBLinear, cb_fuse
from .conv import Conv, RepConv
from .distribution import distances_to_boxes, distribution_focal_loss, expected_distances
from .downsample import AConv, ADown
from .elan import ELAN, SPPELAN, RepBottleneck, RepCSP
from .fuse import fuse
from .gaussian import DYNAMIC_SCALES, log_gaussian
from .gelan_trunk import TRUNK_ARCHS, GELANTrunk, trunk_arch
from .modulation import GaussianModulation, Modulation
from .retriever_dictionary import PAPER_FORM, FoldedRetrieverDictionary, RetrieverDictionary, positional_norm
from .top_down import TOP_DOWN_CHANNELS, TopDown

__all__ = [
    'AConv', 'ADown', 'Atoms', 'Attention', 'CBLinear', 'Conv', 'DYNAMIC_SCALES', 'ELAN',
    'FoldedRetrieverDictionary', 'GELANTrunk', 'GaussianModulation', 'Modulation', 'PAPER_FORM', 'RepBottleneck',
    'RepCSP', 'RepConv', 'RetrieverDictionary', 'SPPELAN', 'TOP_DOWN_CHANNELS', 'TRUNK_ARCHS', 'TopDown',
    'build_attention', 'cb_fuse', 'complete_iou', 'distances_to_boxes', 'distribution_focal_loss',
    'expected_distances', 'fuse', 'load_atoms', 'log_gaussian', 'positional_norm', 'trunk_arch'
]
