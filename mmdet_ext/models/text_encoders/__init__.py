"""From captions to features of their tokens."""
from .roberta import RobertaTextEncoder, TextFeatures

__all__ = ['RobertaTextEncoder', 'TextFeatures']
