"""The hard concrete gate: its moments by Gaussian quadrature to rounding, and its verdicts by enclosed integrals."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, final

import numpy as np

from etatrick.errors import InputError
from etatrick.theory.gates.base import CountingLaw
from etatrick.theory.gates.concavity import certified_boxes
from etatrick.theory.gates.enclosures import hard_concrete as enclosed
from etatrick.theory.gates.envelope import Corner, Curve, stretched
from etatrick.theory.gates.verdicts import DOMAIN, thresholding
from etatrick.theory.verdict import Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray


@final
@dataclass(frozen=True)
class HardConcrete(CountingLaw):
    r"""The hard concrete gate s = min(1, max(0, σ((logit U + log a)/β)(ζ−γ)+γ)) (Louizos, Welling, Kingma 2018).

    .. math:: P(s>x) = \frac{a}{a+r(x)^\beta},\quad r(x)=\frac{x-\gamma}{\zeta-x},\qquad
              \mathrm{E}\,s=\int_0^1\!P(s>x)\,dx,\quad \mathrm{E}\,s^2=\int_0^1\!2x\,P(s>x)\,dx,\quad f=P(s\ne0)

    The latent number is t = log a. η̂ jumps to ∞ at a finite weight, beyond which Ω = ½.

    Parameters
    ----------
    beta : float
        Temperature, > 0.
    gamma, zeta : float
        The stretched interval: γ < 0 and ζ > 1.

    Raises
    ------
    InputError
        If a parameter lies outside its range.

    Examples
    --------
    >>> law = HardConcrete()
    >>> float(law.slope_at(0.0).round(7)), float(law.eta_hat_at(0.6))
    (1.4751987, inf)
    """

    beta: float = 2 / 3
    gamma: float = -0.1
    zeta: float = 1.1

    def __post_init__(self) -> None:
        rules = {"beta": (self.beta > 0, "> 0", 2 / 3), "gamma": (self.gamma < 0, "< 0", -0.1),
                 "zeta": (self.zeta > 1, "> 1", 1.1)}  # fmt: skip
        for name, (holds, rule, example) in rules.items():
            value = getattr(self, name)
            if not (holds and np.isfinite(value)):
                raise InputError(f"{name} = {value}", f"{name} must be a finite number {rule}", f"use {example:.3g}")

    @property
    def span(self) -> tuple[float, float]:
        """From where moments are proportional to a, to where an open gate's noise is below rounding."""
        low, high = self._ends
        return -700.0 + self.beta * low, 30.0 + self.beta * high

    @property
    def reach(self) -> tuple[float, float]:
        """Beyond the span the curve goes on to η = ∞ without holding a minimum."""
        return self.span[0], 740.0

    @property
    def _ends(self) -> tuple[float, float]:
        """Log r at 0 and at 1."""
        return float(np.log(-self.gamma / self.zeta)), float(np.log((1 - self.gamma) / (self.zeta - 1)))

    @property
    def formulas(self) -> tuple[str, str]:
        """The squared coefficient of variation, and P(s ≠ 0)."""
        gate = rf"r=\tfrac{{x{-self.gamma:+g}}}{{{self.zeta:g}-x}},\ \beta={self.beta:.4g}"
        ratio = r"\frac{\int_0^1 2x\,\frac{a}{a+r^\beta}dx}{\big(\int_0^1\frac{a}{a+r^\beta}dx\big)^2}-1"
        return rf"{ratio},\quad {gate}", r"\frac{a}{a+r(0)^\beta}"

    def upper_ends(self) -> tuple[Corner, ...]:
        """Return the open gate, which is a local minimum once w² exceeds the limit of u."""
        limit = float(self.curve(np.array([740.0])).log_u[0])
        return (Corner(-np.inf, 1.0, (limit, np.inf)),)

    def curve(self, t: Any) -> Curve:
        """Return the law at log a = t; both halves are free of cancellation in the small tails."""
        log_rho, dual, log_u = np.empty_like(t), np.empty_like(t), np.empty_like(t)
        middle = self.beta * np.log((0.5 - self.gamma) / (self.zeta - 0.5))  # log r(½)^β: there the mean is about ½
        for here, branch in ((t < middle, self._closed), (t >= middle, self._open)):
            log_rho[here], dual[here], log_u[here] = branch(t[here])
        return Curve(log_rho, dual, log_u)

    def _closed(self, t: Any) -> tuple[Any, Any, Any]:
        """Return the curve for small a in terms of g = P(s>x)/a."""
        y, x, weight = _nodes(self)
        tail = 1 / (1 + np.exp(t[:, None] - self.beta * y))  # 1 − P(s>x)
        g = np.exp(-self.beta * y) * tail
        g1, g2, h1, h2 = g @ weight, g @ (2 * x * weight), (g * tail) @ weight, (g * tail) @ (2 * x * weight)
        first = self.beta * self._ends[0]
        shut = 1 / (1 + np.exp(t - first))
        dual = np.exp(t - first) * shut
        log_rho = -t + np.log(g2 / g1**2 - np.exp(t))
        return log_rho, dual, 2 * t - first + np.log(shut**2 * g1**3 / (2 * g2 * h1 - h2 * g1))

    def _open(self, t: Any) -> tuple[Any, Any, Any]:
        """Return the curve for large a in terms of b = 1/a and q = (1 − P(s>x))/b; 2x = 2 − 2(1−x) throughout."""
        y, x, weight = _nodes(self)
        b = np.exp(-t)
        head = 1 / (1 + np.exp(self.beta * y - t[:, None]))  # P(s>x)
        q = np.exp(self.beta * y) * head
        far = 2 * (1 - x) * weight
        d1, d, e1, e = q @ weight, q @ far, (q * head) @ weight, (q * head) @ far
        mean = 1 - b * d1
        first = self.beta * self._ends[0]
        dual = 1 / (1 + np.exp(first - t))
        log_rho = -t + np.log((d - b * d1**2) / mean**2)
        slope = e + b * (2 * d * e1 - d1 * (2 * e1 + e))
        return log_rho, dual, first + 2 * np.log(dual) + 3 * np.log(mean) - np.log(slope)

    def own_verdicts(self) -> Mapping[str, Verdict]:
        """Return the kink at 0 by Cauchy–Schwarz, the prox by the sandwich, and the jump from two values of u."""
        detail = f"Ω ≥ CEL0 with price ½ (Cauchy–Schwarz), so Ω′(0+) ≥ 1; its value is {float(self.slope_at(0.0)):.12g}"
        return {
            "canonical": self._canonical(),
            "continuous_prox": thresholding(self),
            "exact_zeros": Verdict("proved", "Cauchy–Schwarz", DOMAIN, detail=detail),
            "concave": self._concave(),
        }

    def _canonical(self) -> Verdict:
        """Enclose η and u = −f′/(1/η)′ at the largest u and beyond it."""
        t = stretched(-40.0, self.span[1], 400)
        top = float(t[int(np.argmax(self.curve(t).log_u))])
        (eta, u), (later_eta, later_u) = (enclosed(self, s) for s in (top, top + 2))
        if not (eta < later_eta and u > later_u):
            return Verdict("unknown", "the enclosures do not decide; u grows on a grid", "η > 0")
        reason = (
            "u = η²f′ is smaller at a larger η, so f as a function of 1/η is not convex and its envelope has a chord"
        )
        witness = {"eta": float(eta), "value": float(u), "larger eta": float(later_eta), "its value": float(later_u)}
        return Verdict("refuted", "integrals enclosed by ball arithmetic", "η > 0", witness, reason)

    def _concave(self) -> Verdict:
        """Certify that f is concave in η, which makes Ω concave; failing that, compare slopes from weight to weight."""
        if (boxes := certified_boxes(self)) is not None:
            detail = (
                "f is concave in η, and Ω(w) = ½ inf over z of [w/z + f(wz)] is an infimum of concave functions of w"
            )
            return Verdict("certified", f"df/dη falls on {boxes} boxes that cover all a", DOMAIN, detail=detail)
        weights = np.concatenate((np.geomspace(1e-8, 0.1, 400), np.linspace(0.1, 3.0, 1600)[1:]))
        slopes = self.slope_at(weights)
        rises = np.diff(slopes)
        k = int(np.argmax(rises))
        if rises[k] > 1e-9:  # a thousand times the error of a slope
            witness = {"w": float(weights[k]), "slope": float(slopes[k]), "larger w": float(weights[k + 1]),
                       "its slope": float(slopes[k + 1])}  # fmt: skip
            return Verdict("refuted", "values in double precision, good to 1e-12", DOMAIN, witness)
        if rises[k] > 1e-12:
            return Verdict("unknown", "Ω′ grows by little more than rounding", DOMAIN)
        method, detail = f"Ω′ does not grow over {len(weights)} weights", "slopes compared within 1e-12"
        return Verdict("checked", method, "1e-8 ≤ w ≤ 3", detail=detail)


@lru_cache(maxsize=32)
def _nodes(law: HardConcrete) -> tuple["NDArray[np.float64]", "NDArray[np.float64]", "NDArray[np.float64]"]:
    """Return nodes y = log r, the gate values x there, and weights that include dx/dy.

    In y the integrands are analytic up to the poles at distance min(π, π/β) from the real line, so n Gauss
    points leave an error of about ρ⁻²ⁿ, with ρ the sum of the half-axes of the ellipse through the poles.
    """
    low, high = law._ends
    half = (high - low) / 2
    axis = min(np.pi, np.pi / law.beta) / half
    count = int(np.ceil(20.0 / np.log(axis + np.hypot(axis, 1.0)))) + 4
    node, weight = np.polynomial.legendre.leggauss(count)
    y = (low + high) / 2 + half * node
    s = 1 / (1 + np.exp(-y))
    width = law.zeta - law.gamma
    return y, law.gamma + width * s, half * weight * width * s * (1 - s)
