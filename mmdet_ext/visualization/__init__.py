"""Images of what a trained network has learned; importing this package registers the visualizer."""
from .grounding import GroundingVisualizer

__all__ = ['GroundingVisualizer']
