from .smca_conv_encoder import SMCAConvEncoder
from .smca_decoder import DecoderOutput, Memory, SMCATransformerDecoder
from .smca_encoder import Maps, SMCATransformerEncoder

__all__ = ['DecoderOutput', 'Maps', 'Memory', 'SMCAConvEncoder', 'SMCATransformerDecoder', 'SMCATransformerEncoder']
