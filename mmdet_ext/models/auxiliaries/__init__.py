"""Auxiliary branches and heads, which are used in training only."""
from .identity_branch import IdentityBranch
from .pgi_aux_head import PGIAuxHead
from .pyramid_branch import PyramidBranch
from .reversible_branch import ReversibleBranch

__all__ = ['IdentityBranch', 'PGIAuxHead', 'PyramidBranch', 'ReversibleBranch']
