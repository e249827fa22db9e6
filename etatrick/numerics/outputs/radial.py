"""Functions of the lengths of rows, λΩ or its tangents, as block descent and Newton steps see them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.working_set.curve import Curve

    Floats = NDArray[np.float64]


class Radial(ABC):
    """One function φ_j of r ≥ 0 per row, with φ_j(0) = 0."""

    @abstractmethod
    def value(self, r: "Floats") -> "Floats":
        """Return φ_j(r_j)."""

    @abstractmethod
    def slope(self, r: "Floats") -> "Floats":
        """Return φ′_j(r_j)."""

    @abstractmethod
    def bend(self, r: "Floats") -> "Floats":
        """Return φ″_j(r_j)."""

    @abstractmethod
    def split(self, r: "Floats") -> "tuple[Floats, Floats, Floats]":
        """Return t, g and ρ of the model t‖w‖ + g⟨w_now, w⟩ + ½ρ‖w − w_now‖² of φ(‖w‖) around the current rows."""


@final
@dataclass(frozen=True, eq=False)
class Tangents(Radial):
    """φ_j(r) = t_j r."""

    rates: "Floats"

    def value(self, r: "Floats") -> "Floats":
        """Return t r."""
        return np.where(r > 0, self.rates, 0.0) * r

    def slope(self, r: "Floats") -> "Floats":
        """Return t."""
        return self.rates

    def bend(self, r: "Floats") -> "Floats":
        """Return 0."""
        return np.zeros(r.shape)

    def split(self, r: "Floats") -> "tuple[Floats, Floats, Floats]":
        """Return t, 0 and 0."""
        return self.rates, np.zeros(r.shape), np.zeros(r.shape)


@final
@dataclass(frozen=True, eq=False)
class Scaled(Radial):
    """φ_j = λΩ with a curve Ω: concave ones are modelled by their tangents, convex ones by a‖w‖ and a quadratic."""

    curve: "Curve"
    lam: float

    def value(self, r: "Floats") -> "Floats":
        """Return λΩ(r)."""
        return self.lam * self.curve.value(r)

    def slope(self, r: "Floats") -> "Floats":
        """Return λΩ′(r)."""
        return self.lam * self.curve.slope(r)

    def bend(self, r: "Floats") -> "Floats":
        """Return λΩ″(r)."""
        return self.lam * self.curve.bend(r)

    def split(self, r: "Floats") -> "tuple[Floats, Floats, Floats]":
        """Return the tangent of a concave Ω; for a convex one Ω′(0+), and the rest with its bend."""
        slope, none = self.slope(r), np.zeros(r.shape)
        if not self.curve.convex:
            return slope, none, none
        start = self.lam * self.curve.start
        rest = np.divide(slope - start, r, out=none.copy(), where=r > 0)
        return np.full(r.shape, start), rest, np.maximum(self.bend(r), rest)
