"""Text encoders: features of the tokens of captions, or of whole phrases."""
from .bert import BertLanguageModel
from .open_clip_encoder import OpenCLIPTextEncoder
from .phrase_encoder import PhraseEncoder, check_texts
from .roberta import RobertaTextEncoder, TextFeatures
from .transformers_encoder import TransformersTextEncoder
from .word_encoder import WordTextEncoder

__all__ = [
    'BertLanguageModel', 'OpenCLIPTextEncoder', 'PhraseEncoder', 'RobertaTextEncoder', 'TextFeatures',
    'TransformersTextEncoder', 'WordTextEncoder', 'check_texts'
]
