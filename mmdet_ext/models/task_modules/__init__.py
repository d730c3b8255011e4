from .batch_task_aligned_assigner import BatchTaskAlignedAssigner
from .targets import Assignment, BatchTargets, pad_targets

__all__ = ['Assignment', 'BatchTargets', 'BatchTaskAlignedAssigner', 'pad_targets']
