"""From a folder of labelled images to a trained detector, by one command."""
from .models import MODELS, Model, model_named
from .run import finetune
from .settings import Settings

__all__ = ['MODELS', 'Model', 'Settings', 'finetune', 'model_named']
