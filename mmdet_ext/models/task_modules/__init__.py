from .batch_task_aligned_assigner import BatchTaskAlignedAssigner
from .soft_token_cost import SoftTokenCost
from .targets import Assignment, BatchTargets, pad_targets

__all__ = ['Assignment', 'BatchTargets', 'BatchTaskAlignedAssigner', 'SoftTokenCost', 'pad_targets']
