"""How much a model uses each of its atoms."""
from torch import Tensor

from .capture import Capture


class Usage:
    """Mean magnitude |c'| of each atom's coefficient: over the cells of a picture, then over the pictures."""

    def __init__(self) -> None:
        self.pictures = 0
        self._sum: Tensor | float = 0.

    def update(self, capture: Capture) -> None:
        """Count one picture; cells in its padding do not count."""
        self._sum = self._sum + capture.coefficients[:, capture.grid.inside()].abs().mean(dim=1).double()
        self.pictures += 1

    def mean(self) -> Tensor:
        """(N, ) float64; at least one picture must have been counted."""
        return self._sum / self.pictures
