from .task_aligned_loss import DensePredictions, task_aligned_losses

__all__ = ['DensePredictions', 'task_aligned_losses']
