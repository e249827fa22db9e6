"""Gaussian scale mixtures: penalties −log ∫ N(w; 0, η) p(η) dη, and the joint maximum over w and η."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from etatrick.errors import InputError
from etatrick.theory.vector.arguments import chord, flat_start, not_homogeneous, theorem
from etatrick.theory.vector.base import Floats, VectorDuality, aligned, ratio, total
from etatrick.theory.vector.mixing import MixingDensity
from etatrick.theory.verdict import Verdict

NODES: Final = 2001
DEPTH: Final = 45.0  # exp(−45) is below the rounding of a double
LEVELS: Final = np.arange(-740.0, 705.0, 0.5)  # log η, as far as η is a normal number
LARGEST: Final = 1e8  # of a log density, so that its rounding leaves eight digits of η̂


@final
@dataclass(frozen=True)
class ScaleMixture(VectorDuality):
    r"""The negative log density of a Gaussian whose variance is random, summed over coordinates.

    .. math:: \Omega(w) = \sum_i \varphi(w_i), \quad \varphi(w) = -\log \int_0^\infty N(w; 0, \eta)\, p(\eta)\, d\eta
              + \text{const}, \qquad \hat\eta_i(w) = \frac{1}{E[1/\eta \mid w_i]}

    (Andrews, Mallows 1974; the reweighting is the EM algorithm). The integral over log η is a trapezoidal sum, which
    converges exponentially. Ω(0) = 0; where the mixture has a pole at 0, as the horseshoe has, Ω is 0 at weights of 1
    and −∞ at 0. A new density takes three short methods; see :class:`MixingDensity`.

    Parameters
    ----------
    density : MixingDensity
        The density p of the variance.

    Raises
    ------
    ArithmeticError
        From the methods, for weights other than 0 whose scales leave the range of doubles.

    Examples
    --------
    >>> from etatrick.theory.vector import Exponential
    >>> laplace = ScaleMixture(Exponential(rate=0.5))
    >>> laplace.penalty_at([[3.0], [-7.0]]).round(9).tolist(), laplace.eta_hat_at([3.0]).round(9).tolist()
    ([3.0, 7.0], [3.0])
    """

    density: MixingDensity

    @property
    def base(self) -> float:
        """The weight at which φ is 0: 0, or 1 if φ has no finite value at 0."""
        return 0.0 if self.density.order_at_zero > -0.5 else 1.0

    @property
    def conditions(self) -> "Mapping[str, Verdict]":
        """Verdicts by name; see :class:`VectorDuality`."""
        laplace = "in u = w² the integral is a Laplace transform at u/2: its logarithm is convex, and it falls"
        order, one = self.density.order_at_zero, np.ones(1)
        kink = f"p(η) ~ η^q with q = {order:g} ≤ 0 at 0, so that φ′(w) ~ w^(2q) does not vanish there"
        return {
            "subquadratic": theorem("Hölder's inequality", laplace),
            "convex": _bent(self),
            "homogeneous": not_homogeneous(self, 2 * one),
            "exact_zeros": theorem("Abelian theorem", kink) if order <= 0 else flat_start(self, one),
        }

    def latex(self) -> str:
        """Return Ω, η̂ and f in LaTeX."""
        return aligned(
            rf"-\textstyle\sum_i\log\int_0^\infty N(w_i;0,\eta)\,{self.density.latex()}\,d\eta + \text{{const}}",
            r"1/E[1/\eta\mid w_i]",
            r"\textstyle\sum_i\,[2\varphi(v_i) - v_i^2/\eta_i],\quad \hat\eta(v_i) = \eta_i",
        )

    def _log_mass(self, size: float, power: int = 0) -> float:
        """Return log ∫ N(w; 0, η) η^−power p(η) dη up to a constant."""
        if size == 0 and self.density.order_at_zero <= power - 0.5:
            return float("inf")

        def height(t: Floats) -> Floats:
            with np.errstate(over="ignore"):
                return (0.5 - power) * t - (size * np.exp(-t / 2)) ** 2 / 2 + self.density.log_at(np.exp(t))

        t, heights = _zoomed(height)
        if not np.abs(heights.max()) <= LARGEST:
            raise ArithmeticError(f"the density at a weight of {size:g} is too small for doubles")
        return float(heights.max() + np.log(np.exp(heights - heights.max()).sum() * (t[1] - t[0])))

    def _scale(self, size: float) -> float:
        if size == 0 and self.density.order_at_zero <= 0.5:
            return 0.0
        return float(np.exp(self._log_mass(size) - self._log_mass(size, 1)))

    def _penalty(self, w: Floats) -> Floats:
        return total(np.array([self._shifted(abs(x)) for x in w.flat]).reshape(w.shape))

    def _shifted(self, size: float) -> float:
        return self._log_mass(self.base) - self._log_mass(size)

    def _eta_hat(self, w: Floats) -> Floats:
        return np.array([self._scale(abs(x)) for x in w.flat]).reshape(w.shape)

    def _dual(self, eta: Floats) -> Floats:
        return total(np.array([self._dual_of(float(e)) for e in eta.flat]).reshape(eta.shape))

    def _dual_of(self, eta: float) -> float:
        size = self._weight_of(eta)
        if not 0 < size < np.inf:
            return 2 * self._shifted(0.0) if size == 0 else size
        return 2 * self._shifted(size) - float(ratio(np.array(size), np.array(eta)))

    def _weight_of(self, eta: float) -> float:
        """Return the weight with η̂(w) = η: 0 below the smallest scale, ∞ beyond the largest."""
        from scipy.optimize import brentq

        if eta <= self._scale(0.0):
            return 0.0
        if np.isinf(eta):
            return eta
        target, step = np.log(eta), 1.0

        def above(x: float) -> float:
            return float(np.log(self._scale(float(np.exp(x)))) - target)

        low = high = target / 2
        while above(low) > 0:
            low, step = low - step, 2 * step
        while above(high) < 0:
            high, step = high + step, 2 * step
        return float(np.exp(brentq(above, low, high, xtol=1e-13)))


def _zoomed(height: Callable[[Floats], Floats]) -> tuple[Floats, Floats]:
    """Return equally spaced nodes that cover all that matters of exp(height), and the heights there."""
    t = LEVELS
    for _ in range(20):
        heights = height(t)
        inside = np.flatnonzero(heights >= heights.max() - DEPTH)
        first, last = int(inside[0]) - 1, int(inside[-1]) + 1
        if first < 0 or last == t.size:
            if t is LEVELS:
                raise ArithmeticError("the scales that matter leave the range of doubles")
            first, last = max(first, 0), min(last, t.size - 1)
        if t is not LEVELS and last - first > t.size // 2:
            break
        t = np.linspace(t[first], t[last], NODES)
    return t, height(t)


@final
@dataclass(frozen=True)
class JointMap(VectorDuality):
    r"""The joint maximum a posteriori over weights and variances, summed over coordinates.

    .. math:: \Omega(w) = \tfrac12 \min_\eta \sum_i \Big[\frac{w_i^2}{\eta_i} + \log \eta_i - 2\log p(\eta_i)\Big]
              + \text{const}, \qquad
              f(\eta) = \sum_i [\log \eta_i - 2 \log p(\eta_i)] + \text{const}

    Here f comes first. It is the smallest dual of Ω on the scales that η̂ reaches; below them (for the inverse gamma
    density) it lies higher than needed. Ω(0) = 0 if f(0⁺) > −∞; otherwise Ω is 0 at weights of 1 and −∞ at 0.

    Parameters
    ----------
    density : MixingDensity
        The density p; η(1 − 2 d log p/d log η) must not decrease, so that η̂ does not jump.

    Raises
    ------
    InputError
        If it decreases where it was tried.

    Examples
    --------
    >>> from etatrick.theory.vector import InverseGamma
    >>> student = JointMap(InverseGamma(shape=0.5, scale=2.0))  # 2·log(1 + w²/4), with η̂ = (w² + 4)/4
    >>> student.eta_hat_at([2.0]).round(9).tolist(), float(student.penalty_at([2.0]).round(6))
    ([2.0], 1.386294)
    """

    density: MixingDensity

    def __post_init__(self) -> None:
        levels = np.arange(-300.0, 300.0, 0.01)
        reach = np.exp(levels) * self._charge_growth(levels)
        fall = np.flatnonzero((np.diff(reach) < -1e-9 * np.abs(reach[1:])) & (reach[:-1] > 0))
        if fall.size:
            place = f"near η = {np.exp(levels[fall[0]]):.3g}"
            raise InputError(str(self.density), f"η(1 − 2 d log p/d log η) decreases {place}", "use ScaleMixture")

    @property
    def base(self) -> float:
        """The weight at which each term of Ω is 0: 0, or 1 if it has no finite value at 0."""
        return 0.0 if self.density.order_at_zero > 0.5 else 1.0

    @property
    def conditions(self) -> "Mapping[str, Verdict]":
        """Verdicts by name; see :class:`VectorDuality`."""
        pole = theorem("pole at 0", "Ω(0) = −∞ as f(0⁺) = −∞: the slope at 0 is infinite")
        return {
            "subquadratic": theorem("minimum of nondecreasing linear functions", "½[Σu/η + f(η)], one per η"),
            "convex": _bent(self),
            "homogeneous": not_homogeneous(self, 2 * np.ones(1)),
            "exact_zeros": pole if self.base else flat_start(self, np.ones(1)),
        }

    def latex(self) -> str:
        """Return Ω, η̂ and f in LaTeX."""
        return aligned(
            r"\tfrac12\min_\eta\textstyle\sum_i[w_i^2/\eta_i+\log\eta_i-2\log p(\eta_i)]+\text{const}",
            r"\eta_i:\ \eta_i\,(1-2\,d\log p/d\log\eta_i) = w_i^2",
            rf"\textstyle\sum_i[\log\eta_i-2\log p(\eta_i)]+\text{{const}},\quad p\propto {self.density.latex()}",
        )

    def _charge_growth(self, levels: Floats) -> Floats:
        with np.errstate(over="ignore"):
            return 1 - 2 * self.density.growth_at(np.exp(levels))

    def _charge(self, eta: Floats) -> Floats:
        """Return log η − 2 log p(η), with its limits at 0 and ∞."""
        inside = (eta > 0) & np.isfinite(eta)
        safe = np.where(inside, eta, 1.0)
        start = np.inf if self.density.order_at_zero > 0.5 else -np.inf
        return np.where(inside, np.log(safe) - 2 * self.density.log_at(safe), np.where(eta == 0, start, np.inf))

    def _shift(self) -> float:
        """Return twice the unshifted penalty of the base weight."""
        base = np.full((1, 1), self.base)
        eta = self._eta_hat(base)
        return float((ratio(base, eta) + self._charge(eta))[0, 0])

    def _penalty(self, w: Floats) -> Floats:
        eta = self._eta_hat(w)
        return total(ratio(w, eta) + self._charge(eta) - self._shift()) / 2

    def _eta_hat(self, w: Floats) -> Floats:
        low, high = np.full(w.shape, LEVELS[0]), np.full(w.shape, LEVELS[-1])
        for _ in range(64):
            middle = (low + high) / 2
            with np.errstate(over="ignore"):
                above = self._charge_growth(middle) > (w * np.exp(-middle / 2)) ** 2
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        return np.where((w == 0) & (self.base > 0), 0.0, np.exp((low + high) / 2))

    def _dual(self, eta: Floats) -> Floats:
        return total(self._charge(eta) - self._shift())


def _bent(duality: VectorDuality) -> Verdict:
    """Look for a chord above a penalty of one weight."""
    pairs = [(a * np.ones(1), 3 * a * np.ones(1)) for a in (1.0, 0.1, 10.0)]
    found = [chord(duality, a, b) for a, b in pairs]
    return next((v for v in found if v.status == "refuted"), found[0])


__all__ = ["JointMap", "ScaleMixture"]
