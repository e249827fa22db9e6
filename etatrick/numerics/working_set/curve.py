"""One penalty as the engine sees it: value, slope, bend and conjugate of |w|, compiled once per penalty."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.compiled import CompiledPenalty, compile_penalty

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curve(ABC):
    """A penalty Ω(|w|), convex or concave on w ≥ 0.

    Parameters
    ----------
    start : float
        Ω′(0+), possibly infinite.
    steepest : float
        sup Ω′.
    convex : bool
        Whether w ↦ Ω(|w|) is convex; otherwise no dual certificate is made.
    """

    start: float
    steepest: float
    convex: bool

    @abstractmethod
    def value(self, w: "Floats") -> "Floats":
        """Return Ω(|w|)."""

    @abstractmethod
    def slope(self, w: "Floats") -> "Floats":
        """Return Ω′(|w|), Ω′(0+) at 0."""

    @abstractmethod
    def bend(self, w: "Floats") -> "Floats":
        """Return Ω″(|w|), its limit at 0."""

    @abstractmethod
    def conjugate(self, z: "Floats") -> "Floats":
        """Return Ω*(z), for convex penalties."""


@final
@dataclass(frozen=True)
class Affine(Curve):
    """Ω(w) = a|w| + ½bw²: the lasso, the elastic net and ridge, in closed form.

    Examples
    --------
    >>> Affine.of(1.0, 2.0).conjugate(np.array([3.0]))
    array([1.])
    """

    rate: float

    @classmethod
    def of(cls, start: float, rate: float) -> "Affine":
        """Return the curve with slope start + rate·w."""
        return cls(start, np.inf if rate > 0 else start, True, rate)

    def value(self, w: "Floats") -> "Floats":
        """Return a|w| + ½bw²."""
        size = np.abs(w)
        return size * (self.start + 0.5 * self.rate * size)

    def slope(self, w: "Floats") -> "Floats":
        """Return a + b|w|."""
        return self.start + self.rate * np.abs(w)

    def bend(self, w: "Floats") -> "Floats":
        """Return b."""
        return np.full(w.shape, self.rate)

    def conjugate(self, z: "Floats") -> "Floats":
        """Return (|z| − a)₊²/(2b), or the indicator of |z| ≤ a."""
        over = np.maximum(np.abs(z) - self.start, 0.0)
        if self.rate == 0:
            return np.where(over > 4e-16 * self.start, np.inf, 0.0)
        return 0.5 * over**2 / self.rate


@final
@dataclass(frozen=True)
class Compiled(Curve):
    """Any other penalty, compiled from its symbolic form."""

    penalty: CompiledPenalty
    bend_at_zero: float

    def value(self, w: "Floats") -> "Floats":
        """Return Ω(|w|)."""
        return self.penalty.value(w)

    def slope(self, w: "Floats") -> "Floats":
        """Return Ω′(|w|)."""
        return self.penalty.slope(w)

    def bend(self, w: "Floats") -> "Floats":
        """Return Ω″(|w|)."""
        return np.where(w == 0, self.bend_at_zero, self.penalty.curvature(w))

    def conjugate(self, z: "Floats") -> "Floats":
        """Return Ω*(z)."""
        return self.penalty.conjugate(z)


@final
@dataclass(frozen=True)
class Shifted(Curve):
    """Ω(|w| + ε) − Ω(ε): a concave penalty made less steep at 0, for continuation in ε.

    Examples
    --------
    >>> Shifted.of(Affine.of(1.0, 0.0), 0.5).value(np.array([2.0]))
    array([2.])
    """

    base: Curve
    epsilon: float

    @classmethod
    def of(cls, base: Curve, epsilon: float) -> "Shifted":
        """Return `base` seen from ε on."""
        start = float(base.slope(np.array([epsilon]))[0])
        return cls(start, start, False, base, epsilon)

    def value(self, w: "Floats") -> "Floats":
        """Return Ω(|w| + ε) − Ω(ε)."""
        return self.base.value(np.abs(w) + self.epsilon) - self.base.value(np.array([self.epsilon]))

    def slope(self, w: "Floats") -> "Floats":
        """Return Ω′(|w| + ε)."""
        return self.base.slope(np.abs(w) + self.epsilon)

    def bend(self, w: "Floats") -> "Floats":
        """Return Ω″(|w| + ε)."""
        return self.base.bend(np.abs(w) + self.epsilon)

    def conjugate(self, z: "Floats") -> "Floats":
        """Refuse: the curve is not convex."""
        raise NotImplementedError("a concave penalty has no useful conjugate")


def read_curve(penalty: Any) -> Curve:
    """Return the curve of a penalty; compiled once, then kept.

    Parameters
    ----------
    penalty : Curve, CompiledPenalty, Duality or catalogue entry without free parameters

    Raises
    ------
    InputError
        If it is no penalty, has free parameters, is −∞ at 0, or jumps at 0.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> read_curve(penalties["elastic_net"](mu=0.5))
    Affine(start=1.0, steepest=inf, convex=True, rate=0.5)
    """
    if isinstance(penalty, Curve):
        return penalty
    duality = penalty.duality if isinstance(penalty, CompiledPenalty) else getattr(penalty, "duality", penalty)
    try:
        return _curve(duality)
    except TypeError:  # not hashable: no penalty, which the compiler says in words
        return _curve.__wrapped__(compile_penalty(penalty).duality)


@lru_cache(maxsize=256)
def _curve(duality: Any) -> Curve:
    import sympy as sp

    from etatrick.theory.symbols import w

    penalty = compile_penalty(duality)
    formula = str(penalty.duality.penalty)
    at_zero, near = float(penalty.value(np.zeros(1))[0]), float(penalty.value(np.array([1e-150]))[0])
    if not np.isfinite(at_zero):
        raise InputError(formula, "is −∞ at w = 0, so no minimum exists", "use log(1 + w/epsilon) with epsilon > 0")
    if near > 1e-9 and penalty.slope_at_zero == 0:
        raise InputError(formula, "jumps at w = 0", "use cel0, which has the same global minimisers")
    start, bend = float(penalty.slope_at_zero), float(penalty.curvature_at_zero)
    slope = sp.expand(penalty.duality.slope)
    if slope.is_polynomial(w) and sp.degree(slope, w) <= 1 and penalty.convex:
        return Affine.of(start, float(slope.coeff(w, 1)))
    steepest = penalty.steepest if penalty.convex else start
    return Compiled(start, steepest, penalty.convex, penalty, bend if np.isfinite(bend) else 0.0)
