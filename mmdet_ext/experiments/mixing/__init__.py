"""The grid of the parts of this package in detectors: which part works in which, each tried."""
