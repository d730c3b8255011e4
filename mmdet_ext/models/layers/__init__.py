"""Plain modules and functions: nothing here is registered."""
from .atoms import Atoms, load_atoms
from .attention import Attention, build_attention
from .channel_check import check_channels
from .ciou import complete_iou
from .composite import CBLinear, cb_fuse
from .conv import Conv, RepConv
from .distribution import distances_to_boxes, distribution_focal_loss, expected_distances
from .downsample import AConv, ADown
from .elan import ELAN, SPPELAN, RepBottleneck, RepCSP
from .fuse import fuse
from .gaussian import DYNAMIC_SCALES, AxisTerms, axis_terms, log_gaussian
from .gelan_trunk import TRUNK_ARCHS, GELANTrunk, trunk_arch
from .modulated_attention import modulated_attention
from .modulation import GaussianModulation, Modulation
from .retriever_dictionary import PAPER_FORM, FoldedRetrieverDictionary, RetrieverDictionary, positional_norm
from .top_down import TOP_DOWN_CHANNELS, TopDown
from .transformer_layers import TransformerDecoderLayer, TransformerEncoderLayer

__all__ = [
    'DYNAMIC_SCALES',
    'ELAN',
    'PAPER_FORM',
    'SPPELAN',
    'TOP_DOWN_CHANNELS',
    'TRUNK_ARCHS',
    'AConv',
    'ADown',
    'Atoms',
    'Attention',
    'AxisTerms',
    'CBLinear',
    'Conv',
    'FoldedRetrieverDictionary',
    'GELANTrunk',
    'GaussianModulation',
    'Modulation',
    'RepBottleneck',
    'RepCSP',
    'RepConv',
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
    'load_atoms',
    'log_gaussian',
    'modulated_attention',
    'positional_norm',
    'trunk_arch'
]
