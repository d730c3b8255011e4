"""Text encoders: features of the tokens of captions."""
from .bert import BertLanguageModel
from .roberta import RobertaTextEncoder, TextFeatures

__all__ = ['BertLanguageModel', 'RobertaTextEncoder', 'TextFeatures']
