from .smca_conv_encoder import SMCAConvEncoder
from .smca_decoder import SMCATransformerDecoder
from .smca_encoder import SMCATransformerEncoder
from .structures import DecoderOutput, Maps, Memory
from .text_decoder import MDETRTransformerDecoder
from .text_fusion_encoder import TextFusionEncoder
from .text_map_fusion import TextMapFusion

__all__ = [
    'DecoderOutput', 'MDETRTransformerDecoder', 'Maps', 'Memory', 'SMCAConvEncoder', 'SMCATransformerDecoder',
    'SMCATransformerEncoder', 'TextFusionEncoder', 'TextMapFusion'
]
