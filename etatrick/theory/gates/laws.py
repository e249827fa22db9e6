"""The gate laws by name, and the Bernoulli gates that pay a divergence from a prior."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from etatrick.errors import InputError
from etatrick.theory.gates.base import GateLaw
from etatrick.theory.gates.envelope import Curve
from etatrick.theory.gates.fits import KingmaCubic, MolchanovFit
from etatrick.theory.gates.hard_concrete import HardConcrete
from etatrick.theory.gates.kumaraswamy import BetaBernoulli
from etatrick.theory.gates.verdicts import DOMAIN, smooth_at_zero
from etatrick.theory.numbers import magnitudes
from etatrick.theory.symbols import eta
from etatrick.theory.verdict import Verdict

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)


@dataclass(frozen=True)
class _BernoulliDivergence(GateLaw):
    """f = 2κ KL(Bern α ‖ Bern p₀) along s = logit α − logit p₀ > 0, with t = log s."""

    @property
    @abstractmethod
    def _scale(self) -> tuple[float, float]:
        """κ and p₀."""

    @property
    def dual(self) -> Any:
        """2κ KL of α = η/(1+η), and 0 below p₀/(1−p₀), where a smaller gate only costs."""
        import sympy as sp

        kappa, prior = (sp.Rational(str(value)) for value in self._scale)
        alpha, least = eta / (1 + eta), prior / (1 - prior)
        divergence = alpha * sp.log(eta / least) - sp.log(1 + eta) - sp.log(1 - prior)
        return sp.Piecewise((0, eta <= least), (2 * kappa * divergence, True))

    @property
    def span(self) -> tuple[float, float]:
        """From w² = 0 to the largest float."""
        return -720.0, 1440.0

    @property
    def limit(self) -> float:
        """2κ log(1/p₀)."""
        kappa, prior = self._scale
        return float(-2 * kappa * np.log(prior))

    @property
    def formulas(self) -> tuple[str, str]:
        """(1−α)/α and the divergence."""
        kappa, prior = self._scale
        divergence = rf"\alpha\log\frac{{\alpha}}{{{prior:g}}}+(1-\alpha)\log\frac{{1-\alpha}}{{{1 - prior:g}}}"
        return r"\frac{1-\alpha}{\alpha}", rf"{2 * kappa:g}\Big[{divergence}\Big]"

    def curve(self, t: Any) -> Curve:
        """Return the law at logit α = logit p₀ + eᵗ: w² = 2κα²(logit α − logit p₀)."""
        kappa, prior = self._scale
        start = np.log(prior) - np.log1p(-prior)
        odds = np.exp(np.minimum(t, 690.0))  # beyond, α is 1 and only w² still grows
        log_alpha = -np.logaddexp(0.0, -(start + odds))
        return Curve(-(start + odds), 2 * kappa * self._divergence(odds), np.log(2 * kappa) + 2 * log_alpha + t)

    def _divergence(self, odds: Any) -> Any:
        """KL = ∫₀ˢ τ α(1−α) dτ, by quadrature or by the closed form that does not cancel."""
        _, prior = self._scale
        start = np.log(prior) - np.log1p(-prior)
        short = np.minimum(odds, 1.0)
        tau = short[..., None] * (1 + _NODES) / 2
        alpha = 1 / (1 + np.exp(-(start + tau)))
        integral = short / 2 * ((tau * alpha * (1 - alpha)) @ _WEIGHTS)
        far = np.maximum(odds, 1.0)
        alpha, shut = (np.exp(-np.logaddexp(0.0, sign * (start + far))) for sign in (-1.0, 1.0))
        rare = far * alpha - np.log1p(prior * np.expm1(np.minimum(far, 700.0)))
        frequent = -np.log(prior) - far * shut - np.log1p(np.exp(-far) * (1 - prior) / prior)
        closed = np.where(start + far < 0, rare, frequent)
        return np.where(odds <= 1, integral, closed)

    def dual_at(self, e: Any) -> Any:
        """Return 2κ KL of α = e/(1+e), and 0 for e ≤ p₀/(1−p₀)."""
        kappa, prior = self._scale
        with np.errstate(divide="ignore"):
            odds = np.log(magnitudes(e) / prior * (1 - prior))
        return 2 * kappa * self._divergence(np.maximum(odds, 0.0))

    def own_verdicts(self) -> Mapping[str, Verdict]:
        """Return what the parametric form shows."""
        _, prior = self._scale
        product = "η²f′(η) = 2κα²(logit α − logit p₀), a product of nonnegative growing factors for α ≥ p₀; f = 0 below"
        ratio = "w + Ω′(w) = w/α = √(2κ(logit α − logit p₀)) grows strictly with α, and α with w"
        return {
            "canonical": Verdict("proved", "parametric form", "η > 0", detail=product),
            "continuous_prox": Verdict("proved", "parametric form", DOMAIN, detail=ratio),
            **smooth_at_zero(self, prior / (1 - prior)),
        }


@final
@dataclass(frozen=True)
class VariationalBernoulli(_BernoulliDivergence):
    r"""Bernoulli gates that pay κ KL(Bern α ‖ Bern p₀).

    .. math:: w^2 = 2\kappa\alpha^2[\operatorname{logit}\alpha-\operatorname{logit}p_0],\qquad \alpha \ge p_0

    Quadratic at 0 (no gate closes below p₀) and bounded by κ log(1/p₀); for p₀ → 0 with κ log(1/p₀) fixed it
    tends to the Bernoulli-ℓ0 gate, whose penalty is CEL0.

    Parameters
    ----------
    kappa : float
        The weight κ > 0 of the divergence.
    prior : float
        p₀ in [1e-300, 1).

    Raises
    ------
    InputError
        If a parameter lies outside its range.

    Examples
    --------
    >>> law = VariationalBernoulli(kappa=1.0, prior=0.1)
    >>> float(law.penalty_at(50.0).round(6)), float(law.eta_hat_at(0.0).round(6))
    (2.302585, 0.111111)
    """

    kappa: float
    prior: float

    def __post_init__(self) -> None:
        _positive("kappa", self.kappa)
        if not 1e-300 <= self.prior < 1:
            raise InputError(f"prior = {self.prior}", "p₀ lies in [1e-300, 1)", "choose e.g. prior=0.01")

    @property
    def _scale(self) -> tuple[float, float]:
        return self.kappa, self.prior


@final
@dataclass(frozen=True)
class ConcreteDropout(_BernoulliDivergence):
    """Dropout at a learned rate p that is paid by its entropy, κ(log 2 − H(p)): the prior ½ above.

    The drop rate 1 − α never exceeds ½, and η̂ ≥ 1: rates are calibrated, weights never pruned
    (Gal, Hron, Kendall 2017, in the linear model).

    Parameters
    ----------
    kappa : float
        The weight κ > 0 of the entropy.

    Raises
    ------
    InputError
        If κ is not a finite number > 0.

    Examples
    --------
    >>> ConcreteDropout(1.0).alpha_at([0.0, 1.0, 10.0], lam=1.0).round(4)
    array([0.5   , 0.7226, 1.    ])
    """

    kappa: float

    def __post_init__(self) -> None:
        _positive("kappa", self.kappa)

    @property
    def _scale(self) -> tuple[float, float]:
        return self.kappa, 0.5


def _positive(name: str, value: float) -> None:
    if not (np.isfinite(value) and value > 0):
        raise InputError(f"{name} = {value}", f"{name} must be a finite number > 0", f"choose e.g. {name}=1")


__all__ = ["BetaBernoulli", "ConcreteDropout", "HardConcrete", "KingmaCubic", "MolchanovFit", "VariationalBernoulli"]
