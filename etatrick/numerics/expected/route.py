"""What every exact route computes: R_i = E ℓ(y_i, Z_i) − ℓ(y_i, μ_i) for each example, and its derivatives."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from etatrick.numerics.expected.amplitudes import Floats


class Slopes(NamedTuple):
    """R_i (n,), ∂R_i/∂μ_i (n,) and ∂R_i/∂a_ij (n, d)."""

    values: Floats
    by_mean: Floats
    by_amplitude: Floats


class Route(ABC):
    """One exact way to the regulariser of Z_i = μ_i + Σ_j a_ij ζ_j; routes hold data only.

    Examples
    --------
    >>> import numpy as np
    >>> from etatrick.numerics.expected.second_order import SecondMoment, UnitOdds
    >>> SecondMoment(UnitOdds(np.array([1.0]))).values(np.zeros(1), np.zeros(1), np.array([[3.0]])).tolist()
    [4.5]
    """

    @abstractmethod
    def values(self, y: Floats, mean: Floats, amplitudes: Floats) -> Floats:
        """Return R_i, shape (n,), from y (n,), μ (n,) and amplitudes (n, d)."""

    @abstractmethod
    def slopes(self, y: Floats, mean: Floats, amplitudes: Floats) -> Slopes:
        """Return R_i and its derivatives with respect to μ_i and a_ij."""
