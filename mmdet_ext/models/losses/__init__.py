from .answer_loss import NO_ANSWER, AnswerLoss, answer_loss, chosen_answers
from .contrastive_align_loss import ContrastiveAlignLoss
from .focal_loss import SigmoidFocalLoss
from .image_text_loss import ImageTextContrastiveLoss
from .soft_token_loss import SoftTokenLoss
from .task_aligned_loss import DensePredictions, task_aligned_losses

__all__ = [
    'NO_ANSWER',
    'AnswerLoss',
    'ContrastiveAlignLoss',
    'DensePredictions',
    'ImageTextContrastiveLoss',
    'SigmoidFocalLoss',
    'SoftTokenLoss',
    'answer_loss',
    'chosen_answers',
    'task_aligned_losses'
]
