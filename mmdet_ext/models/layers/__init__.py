"""Plain modules and functions: nothing here is registered."""
from .atoms import Atoms, load_atoms
from .attention import Attention, build_attention
from .channel_check import check_channels
from .ciou import complete_iou
from .composite import CBLinear, cb_fuse
from .conv import Conv, RepConv
from .distribution import distances_to_boxes, distribution_focal_loss, expected_distances
from .downsample import AConv, ADown
from .elan import ELAN, SPPELAN, DarkBlock, RepBottleneck, RepCSP, ResidualBlock
from .fuse import fuse
from .gaussian import DYNAMIC_SCALES, AxisTerms, axis_terms, log_gaussian
from .gelan_arch import Arch, gelan_arch
from .gelan_trunk import GELANTrunk
from .modulated_attention import modulated_attention
from .modulation import GaussianModulation, Modulation
from .retriever_dictionary import PAPER_FORM, FoldedRetrieverDictionary, RetrieverDictionary, positional_norm
from .top_down import TopDown
from .transformer_layers import TransformerDecoderLayer, TransformerEncoderLayer

__all__ = [
    'DYNAMIC_SCALES',
    'ELAN',
    'PAPER_FORM',
    'SPPELAN',
    'AConv',
    'ADown',
    'Arch',
    'Atoms',
    'Attention',
    'AxisTerms',
    'CBLinear',
    'Conv',
    'DarkBlock',
    'FoldedRetrieverDictionary',
    'GELANTrunk',
    'GaussianModulation',
    'Modulation',
    'RepBottleneck',
    'RepCSP',
    'RepConv',
    'ResidualBlock',
    'RetrieverDictionary',
    'TopDown',
    'TransformerDecoderLayer',
    'TransformerEncoderLayer',
    'axis_terms',
    'build_attention',
    'cb_fuse',
    'check_channels',
    'complete_iou',
    'distances_to_boxes',
    'distribution_focal_loss',
    'expected_distances',
    'fuse',
    'gelan_arch',
    'load_atoms',
    'log_gaussian',
    'modulated_attention',
    'positional_norm'
]
