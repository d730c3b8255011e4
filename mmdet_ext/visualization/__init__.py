"""Pictures of what a trained network has learned."""
