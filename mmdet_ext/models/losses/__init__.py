from .contrastive_align_loss import ContrastiveAlignLoss
from .image_text_loss import ImageTextContrastiveLoss
from .soft_token_loss import SoftTokenLoss
from .task_aligned_loss import DensePredictions, task_aligned_losses

__all__ = [
    'ContrastiveAlignLoss', 'DensePredictions', 'ImageTextContrastiveLoss', 'SoftTokenLoss', 'task_aligned_losses'
]
