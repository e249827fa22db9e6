"""What the solvers ask of a penalty Ω(|w|) of one number, with numeric answers where no closed form is known."""

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from etatrick.numerics.prox_tables import EPS, ProxTable, broadcast

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

HALVINGS: Final = 80
LOG_RANGE: Final = 345.0  # to where w² does not overflow


class ScalarPenalty(ABC):
    """An even penalty Ω(|w|) that does not decrease in |w|; every method works elementwise.

    Subclasses give the value, the slope and what happens at 0. The rest follows numerically from these, and is
    replaced where a closed form is known.
    """

    @property
    @abstractmethod
    def formula(self) -> str:
        """What the penalty is called in messages."""

    @property
    @abstractmethod
    def slope_at_zero(self) -> float:
        """Ω′(0+), possibly infinite; positive exactly when coordinates can be held at 0."""

    @property
    @abstractmethod
    def curvature_at_zero(self) -> float:
        """Ω″(0+), possibly infinite."""

    @property
    @abstractmethod
    def steepest(self) -> float:
        """Sup Ω′, the largest |z| with a finite conjugate Ω*(z), for a convex penalty."""

    @property
    @abstractmethod
    def convex(self) -> bool:
        """Whether convexity was proved, or is declared by the one who wrote the penalty."""

    @property
    @abstractmethod
    def jump(self) -> float:
        """Ω(0+) − Ω(0), which is > 0 for penalties that count nonzero weights."""

    @property
    @abstractmethod
    def breaks(self) -> tuple[float, ...]:
        """Where w > 0 and the pieces of Ω meet, as far as that is known."""

    @abstractmethod
    def value(self, coef: "Floats") -> "Floats":
        """Return Ω(|w|), which is 0 at 0 where Ω jumps there."""

    @abstractmethod
    def slope(self, coef: "Floats") -> "Floats":
        """Return Ω′(|w|), with Ω′(0+) at 0."""

    @abstractmethod
    def curvature(self, coef: "Floats") -> "Floats":
        """Return Ω″(|w|) for w ≠ 0, and 0 at 0."""

    def eta_hat(self, coef: "Floats") -> "Floats":
        """Return η̂(|w|) = |w|/Ω′(|w|), possibly infinite."""
        size = np.abs(coef)
        with np.errstate(all="ignore"):
            found = np.where(size > 0, size / self.slope(size), 0.0)
            bend = self.curvature_at_zero
        start = 0.0 if self.slope_at_zero > 0 or not bend > 0 else 1 / bend
        return np.where(size > 0, found, start)

    def conjugate(self, slope: "Floats") -> "Floats":
        """Return Ω*(z) = sup_w [z w − Ω(w)] for a convex penalty: +∞ beyond sup Ω′."""
        z = np.abs(slope)
        values = np.where(z > self.steepest * (1 + 4e-16), np.inf, 0.0)
        inside = (z > self.slope_at_zero) & np.isfinite(values)
        if inside.any():
            values[inside] = self._supremum(z[inside])
        return values

    def prox(self, v: "ArrayLike", t: "ArrayLike" = 1.0) -> "Floats":
        r"""Return the proximal map argmin_w ½(w − v)² + tΩ(w), elementwise.

        Of several minimisers whose objectives are equal up to rounding, the largest is returned.

        Parameters
        ----------
        v, t : array_like
            Broadcast against each other; t > 0. One number t is faster than many.

        Returns
        -------
        ndarray
            With the sign of v and at most its size; 0 where Ω(0) = −∞.

        Raises
        ------
        InputError
            If v or t is no finite number, or t ≤ 0.
        """
        size, step, sign = broadcast(v, t)
        if float(self.value(np.zeros(1))[0]) == -np.inf:
            return np.zeros(size.shape)
        return np.asarray(sign * self._prox_table.prox(size, step), dtype=np.float64)

    def subdifferential_distance(self, coef: "ArrayLike", slope: "ArrayLike") -> "Floats":
        """Return the distance of g to ∂Ω(w), elementwise.

        ∂Ω(w) is {Ω′(|w|) sgn w}, at 0 the interval [−Ω′(0+), Ω′(0+)], or all numbers where Ω jumps there; at a kink
        the interval between the one-sided slopes where it is convex, and both of them where it is concave.

        Parameters
        ----------
        coef, slope : array_like
            w and g, broadcast against each other.

        Returns
        -------
        ndarray
            ≥ 0.
        """
        w, g = np.broadcast_arrays(np.asarray(coef, dtype=np.float64), np.asarray(slope, dtype=np.float64))
        size, pull = np.abs(w), np.where(w < 0, -g, g)
        with np.errstate(invalid="ignore"):
            found = np.where(size > 0, np.abs(pull - self.slope(np.where(size > 0, size, 1.0))), 0.0)
            held = np.inf if self.jump > 0 else self.slope_at_zero
            found = np.where(size > 0, found, np.maximum(np.abs(pull) - held, 0.0))
        for b in self.breaks:
            here = np.abs(size - b) <= 4 * EPS * b
            if here.any():
                found = np.where(here, self._at_break(b, pull), found)
        return np.asarray(found, dtype=np.float64)

    def _at_break(self, b: float, pull: "Floats") -> "Floats":
        sides = np.array([b * (1 - 8 * EPS), b * (1 + 8 * EPS)])
        low, high = self.slope(sides)
        before, after = self.value(sides)
        if after - before > 1e-10 * (abs(before) + abs(after)):
            high = np.inf
        if high < low:
            return np.asarray(np.minimum(np.abs(pull - low), np.abs(pull - high)))
        return np.asarray(np.maximum(np.maximum(low - pull, pull - high), 0.0))

    def _supremum(self, z: "Floats") -> "Floats":
        """Return Ω*(z) from the root of Ω′(w) = z, by bisection of log w; never less than it but for rounding in z."""
        low, high = np.full(z.shape, -LOG_RANGE), np.full(z.shape, LOG_RANGE)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            below = self.slope(np.exp(middle)) < z * (1 - 4 * EPS)  # a slope that nears its supremum wavers there
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        top = np.exp(low)
        with np.errstate(all="ignore"):
            paid, gained = self.value(top), z * top
            rounding = 8 * EPS * (paid + gained)  # what cancels where Ω is nearly a line
            return np.where(high >= LOG_RANGE, np.inf, np.maximum(gained - paid, 0.0) + rounding)

    @cached_property
    def _prox_table(self) -> ProxTable:
        return ProxTable.of(self)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what was computed: it is computed again where it is needed."""
        fields = getattr(self, "__dataclass_fields__", {})
        return {name: found for name, found in self.__dict__.items() if name in fields}
