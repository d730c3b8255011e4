"""From captions to features of their tokens."""
from .bert import BertLanguageModel
from .roberta import RobertaTextEncoder, TextFeatures

__all__ = ['BertLanguageModel', 'RobertaTextEncoder', 'TextFeatures']
