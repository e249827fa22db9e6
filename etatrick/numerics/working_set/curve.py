"""One penalty as the engine sees it: value, slope, bend and conjugate of |w|, compiled once per penalty."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.compiled import CompiledPenalty
from etatrick.numerics.scalar_penalty import ScalarPenalty
from etatrick.numerics.user_penalty import scalar_penalty

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

    @abstractmethod
    def prox(self, v: "Floats", t: "float | Floats") -> "Floats":
        """Return argmin_w ½(w − v)² + tΩ(w), the largest of several."""


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

    def prox(self, v: "Floats", t: "float | Floats") -> "Floats":
        """Return (|v| − ta)₊/(1 + tb) with the sign of v."""
        left = np.maximum(np.abs(v) - np.multiply(t, self.start), 0.0)
        return np.asarray(np.sign(v) * left / (1 + np.multiply(t, self.rate)))


@final
@dataclass(frozen=True)
class Compiled(Curve):
    """Any other penalty: compiled from its symbolic form, tabulated, or of the user's own class."""

    penalty: ScalarPenalty
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

    def prox(self, v: "Floats", t: "float | Floats") -> "Floats":
        """Return the proximal map of tΩ."""
        return self.penalty.prox(v, t)


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

    def prox(self, v: "Floats", t: "float | Floats") -> "Floats":
        """Refuse: this curve is a step on the way to another one, which has a proximal map."""
        raise NotImplementedError("take the proximal map of the penalty itself")


def read_curve(penalty: Any) -> Curve:
    """Return the curve of a penalty; made once, then kept.

    Parameters
    ----------
    penalty : Curve, ScalarPenalty, Duality, GateLaw, catalogue entry or PenaltyLike
        Without free parameters; see :func:`etatrick.numerics.user_penalty.scalar_penalty`.

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
    curve = read_prox_curve(penalty)
    if isinstance(curve, Compiled) and curve.penalty.jump > 0 and curve.penalty.slope_at_zero == 0:
        remedy = "use cel0 or mcp, or method='proximal_gradient', which takes jumps"
        raise InputError(curve.penalty.formula, "jumps at w = 0", remedy)
    return curve


def read_prox_curve(penalty: Any) -> Curve:
    """Return the curve of a penalty for methods that take proximal steps, for which Ω may jump at 0.

    Where it does, Ω′(0+) counts as infinite: every zero is a local minimum.

    Raises
    ------
    InputError
        As :func:`read_curve`, but for jumps.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> read_prox_curve(penalties["l0"](kappa=2)).prox(np.array([1.9, 2.1]), 1.0)
    array([0. , 2.1])
    """
    if isinstance(penalty, Curve):
        return penalty
    return _curve(scalar_penalty(penalty))


@lru_cache(maxsize=256)
def _curve(penalty: ScalarPenalty) -> Curve:
    if not np.isfinite(float(penalty.value(np.zeros(1))[0])):
        raise InputError(
            penalty.formula, "is −∞ at w = 0, so no minimum exists", "use log(1 + w/epsilon) with epsilon > 0"
        )
    start, bend = float(penalty.slope_at_zero), float(penalty.curvature_at_zero)
    rate = _rate(penalty)
    if rate is not None:
        return Affine.of(start, rate)
    steepest = penalty.steepest if penalty.convex else start
    held = np.inf if penalty.jump > 0 else start
    return Compiled(held, steepest, penalty.convex, penalty, bend if np.isfinite(bend) else 0.0)


def _rate(penalty: ScalarPenalty) -> float | None:
    """Return b where Ω′ is a + bw, else None."""
    import sympy as sp

    from etatrick.theory.symbols import w

    if not isinstance(penalty, CompiledPenalty) or not penalty.convex or penalty.jump > 0:
        return None
    slope = sp.expand(penalty.duality.slope)
    affine = slope.is_polynomial(w) and sp.degree(slope, w) <= 1
    return float(slope.coeff(w, 1)) if affine else None
