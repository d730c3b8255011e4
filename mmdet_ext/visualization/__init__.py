"""Images of what a trained network has learned; importing this package registers the visualizers."""
from .grounding import GroundingVisualizer
from .large_visualizer import LargeVisualizer

__all__ = ['GroundingVisualizer', 'LargeVisualizer']
