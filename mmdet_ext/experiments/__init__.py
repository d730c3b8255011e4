"""Experiments of several trainings: `comparison` trains configs side by side and compares their metric over epochs."""
