"""Two published fits of the price of variational Gaussian dropout, each a law with a price in closed form."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, final

import numpy as np

from etatrick.theory.gates.base import GateLaw
from etatrick.theory.gates.envelope import Corner, Curve
from etatrick.theory.gates.verdicts import DOMAIN, kinked, smooth_at_zero, sublinear
from etatrick.theory.numbers import magnitudes
from etatrick.theory.symbols import eta
from etatrick.theory.verdict import Verdict

MOLCHANOV: Final = ("0.63576", "1.87320", "1.48695")
KINGMA: Final = ("1.16145124", "-1.50204118", "0.58629921")


@dataclass(frozen=True)
class _FittedLaw(GateLaw):
    """A law whose latent number is log η itself."""

    @property
    def limit(self) -> float:
        """Infinite: f grows like log η."""
        return float("inf")

    def dual_at(self, e: Any) -> Any:
        """Return f(e); +∞ below the range of the fit."""
        with np.errstate(divide="ignore"):
            log_eta = np.log(magnitudes(e))
        inside = log_eta >= self.span[0]
        return np.where(inside, self.curve(np.where(inside, log_eta, 0.0)).dual, self._outside)

    @property
    def _outside(self) -> float:
        return 0.0


@final
@dataclass(frozen=True)
class MolchanovFit(_FittedLaw):
    r"""The fitted price f = 2[k₁σ(k₃ log η − k₂) + ½log(1+η)] (Molchanov, Ashukha, Vetrov 2017).

    The exact price is concave; this fit is not: Ω′ rises from 1 to about 1.0118 before it falls.

    Examples
    --------
    >>> MolchanovFit().penalty_at([0.1, 1.0, 10.0]).round(4)
    array([0.1008, 0.9174, 3.439 ])
    """

    @property
    def dual(self) -> Any:
        """f(η) with the published constants as exact decimals."""
        import sympy as sp

        k1, k2, k3 = map(sp.Rational, MOLCHANOV)
        return 2 * k1 / (1 + sp.exp(k2) * eta ** (-k3)) + sp.log(1 + eta)

    @property
    def span(self) -> tuple[float, float]:
        """All η that a float can hold, and beyond."""
        return -700.0, 1440.0

    @property
    def formulas(self) -> tuple[str, str]:
        """1/η and the fit."""
        k1, k2, k3 = MOLCHANOV
        return r"\frac{1}{\eta}", rf"2\big[{k1}\,\sigma({k3}\log\eta-{k2})+\tfrac12\log(1+\eta)\big]"

    def curve(self, t: Any) -> Curve:
        """Return the law at log η = t."""
        k1, k2, k3 = map(float, MOLCHANOV)
        with np.errstate(over="ignore"):
            opened, closed = 1 / (1 + np.exp(k2 - k3 * t)), 1 / (1 + np.exp(k3 * t - k2))
            elasticity = 2 * k1 * k3 * opened * closed + 1 / (1 + np.exp(-t))  # ηf′(η)
        return Curve(-t, 2 * k1 * opened + np.logaddexp(0.0, t), t + np.log(elasticity))

    def own_verdicts(self) -> Mapping[str, Verdict]:
        """Return elementary proofs, whose numerical premises are enclosed, and one enclosed witness."""
        import flint

        k1, k2, k3 = map(flint.arb, MOLCHANOV)
        half = 1 + (-k2 / k3).exp()  # 1 + 1/E, where σ = ½ at η = E
        grows = k1 * k3 * (k3 - 1) / 2 < flint.arb("0.75") and k2 > 0 and k3 > 1
        prox = k3 * (k2 / 2).tanh() > 1 and k1 * k3 * (half**2 * k3 - (2 - half) * half) / 2 < 1
        found = {
            "canonical": ("η > 0", grows, "(η²f′)′ = 2k₁k₃s(1−s)[1 + k₃(1−2s)] + 1 − (1+η)⁻²: for η < 1 s < ½; for"
                          " η ≥ 1 the first term is ≥ −k₁k₃(k₃−1)/2 > −¾ and the rest ≥ ¾"),
            "continuous_prox": (DOMAIN, prox, "w + Ω′ = (1+η)√f′, and ((1+η)²f′)′ = 1 + 2k₁k₃s(1−s)B with B = 1 − η⁻² +"
                                " (1+1/η)²k₃(1−2s): B > 0 unless s > ½, where s(1−s)B > −1/(2k₁k₃)"),
            "exact_zeros": (DOMAIN, k3 > 1, "f′(0+) = 1 because k₃ > 1, and Ω′(w) = √f′(η̂) with η̂ → 0"),
        }  # fmt: skip
        return {
            **{name: Verdict("proved" if premise else "unknown", "elementary bounds", domain, detail=detail)
               for name, (domain, premise, detail) in found.items()},
            **sublinear(self, "f ≤ 2k₁ + log(1+η), so Ω ≤ ½ + k₁ + ½log(1+w²)"),
            "concave": self._rising_slope(),
        }  # fmt: skip

    def _rising_slope(self) -> Verdict:
        """Enclose Ω′ = √f′(η) at the weights η√f′(η) of two η."""
        import sympy as sp

        from etatrick.theory.balls import value_at

        squares = [value_at(sp.diff(self.dual, eta), {eta: sp.Rational(1, n)}) for n in (1000, 40)]
        if None in squares or not squares[0] < squares[1]:
            return Verdict("unknown", "the enclosed slopes do not decide", DOMAIN)
        slopes = [float(square) ** 0.5 for square in squares]
        witness = {"w": slopes[0] / 1000, "slope": slopes[0], "larger w": slopes[1] / 40, "its slope": slopes[1]}
        return Verdict("refuted", "values enclosed by ball arithmetic", DOMAIN, witness, "Ω′ grows between them")


@final
@dataclass(frozen=True)
class KingmaCubic(_FittedLaw):
    r"""The cubic price f = log η − 2Σ cₖ(η⁻ᵏ − 1) for η ≥ 1 (Kingma, Salimans, Welling 2015), with f(1) = 0.

    The fit was made for noise of variance at most 1, hence η ≥ 1: small weights rest there, and Ω is a
    parabola at 0. At η = 1 the product η²f′ still falls, so that η̂ jumps as it leaves 1.

    Examples
    --------
    >>> KingmaCubic().penalty_at([0.1, 1.0]).round(4)
    array([0.005 , 0.4892])
    """

    @property
    def dual(self) -> Any:
        """f(η) with the published constants as exact decimals, +∞ below 1."""
        import sympy as sp

        price = sp.log(eta) - 2 * sum(sp.Rational(c) * (eta**-k - 1) for k, c in enumerate(KINGMA, 1))
        return sp.Piecewise((sp.oo, eta < 1), (price, True))

    @property
    def span(self) -> tuple[float, float]:
        """From η = 1 on."""
        return 0.0, 1440.0

    @property
    def _outside(self) -> float:
        return float("inf")

    @property
    def formulas(self) -> tuple[str, str]:
        """1/η and the fit."""
        terms = "".join(rf"{float(c):+.9g}(\eta^{{-{k}}}-1)" for k, c in enumerate(KINGMA, 1)).lstrip("+")
        return r"\frac{1}{\eta}", rf"\log\eta-2\big[{terms}\big],\quad \eta\ge1"

    def curve(self, t: Any) -> Curve:
        """Return the law at log η = t ≥ 0."""
        c1, c2, c3 = map(float, KINGMA)
        price = t - 2 * (c1 * np.expm1(-t) + c2 * np.expm1(-2 * t) + c3 * np.expm1(-3 * t))
        tail = 2 * c1 * np.exp(-t) + 4 * c2 * np.exp(-2 * t) + 6 * c3 * np.exp(-3 * t)
        return Curve(-t, price, t + np.log1p(tail))

    def lower_ends(self) -> tuple[Corner, ...]:
        """Return η = 1, where small weights rest."""
        start = float(self.curve(np.zeros(1)).log_u[0])
        return (Corner(0.0, 0.0, (-np.inf, start)),)

    def own_verdicts(self) -> Mapping[str, Verdict]:
        """Return the exact values of η²f′ at two η, and what follows."""
        c1, c2, c3 = map(Fraction, KINGMA)
        points = (Fraction(1), Fraction(1001, 1000))
        first, second = (x + 2 * c1 + 4 * c2 / x + 6 * c3 / x**2 for x in points)
        witness = {"eta": 1.0, "value": float(first), "larger eta": 1.001, "its value": float(second)}
        reason = "η²f′ falls from η = 1 to 1.001, so f as a function of 1/η is not convex and its envelope has a chord"
        if not first > second:
            return {"canonical": Verdict("unknown", "the exact values do not decide", "η > 1")}
        return {
            "canonical": Verdict("refuted", "exact values", "η > 1", witness, reason),
            "continuous_prox": kinked(self, reason),
            **sublinear(self, "f ≤ log η + 2Σ|cₖ|, so Ω(w) = O(log w)"),
            **smooth_at_zero(self, 1.0),
        }
