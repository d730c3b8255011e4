from .batch_task_aligned_assigner import BatchTaskAlignedAssigner
from .layer_costs import SoftTokenCost
from .targets import Assignment, BatchTargets, PaddedAssignment, pad_targets

__all__ = ['Assignment', 'BatchTargets', 'BatchTaskAlignedAssigner', 'PaddedAssignment', 'SoftTokenCost', 'pad_targets']
