"""`python -m mmdet_ext.doctor`: what is installed, what does not work here, and the command that mends it."""
from .finding import Finding, State
from .report import examine, report

__all__ = ['Finding', 'State', 'examine', 'report']
