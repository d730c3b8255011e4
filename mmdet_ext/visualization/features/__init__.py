"""Feature maps over the depth of networks, side by side."""
