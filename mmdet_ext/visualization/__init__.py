"""Pictures of what a trained network has learned; importing this package registers the visualizer."""
from .grounding_visualizer import GroundingVisualizer

__all__ = ['GroundingVisualizer']
