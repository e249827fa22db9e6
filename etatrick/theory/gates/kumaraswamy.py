"""The beta–Bernoulli gate: the least Kumaraswamy divergence for every mean, followed along its stationary curve."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple, final

import numpy as np

from etatrick.errors import InputError
from etatrick.theory.gates.base import GateLaw
from etatrick.theory.gates.enclosures import chord_below
from etatrick.theory.gates.envelope import Curve
from etatrick.theory.gates.verdicts import DOMAIN, FAR, kinked, smooth_at_zero, sublinear
from etatrick.theory.verdict import Verdict

EULER: Final = float(np.euler_gamma)
CLOSE: Final = 1e-6  # s = logit m − logit m₀ below which the curve is a straight line
TOP: Final = 42.0  # logit m beyond which b = 1 to rounding
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)


class Divergence(NamedTuple):
    """KL, log m and their derivatives in log a and log b."""

    value: Any
    log_mean: Any
    value_a: Any
    value_b: Any
    mean_a: Any
    mean_b: Any


@final
@dataclass(frozen=True)
class BetaBernoulli(GateLaw):
    r"""Bernoulli gates whose probability π has the prior Beta(α₀, 1) and a Kumaraswamy posterior (Lee et al. 2018).

    .. math:: m = \mathrm{E}\,\pi = b\,B(1+1/a, b),\qquad \frac1\eta=\frac{1-m}{m},\qquad
              f = 2\Big[\big(1-\tfrac{\alpha_0}{a}\big)\big(-\gamma_E-\psi(b)-\tfrac1b\big)+\log\tfrac{ab}{\alpha_0}
              -\tfrac{b-1}{b}\Big]

    The latent number is t = log(logit m − logit m₀), m₀ = α₀/(1+α₀) the prior mean; for every m the pair (a, b)
    with the least divergence is followed from the prior (α₀, 1). Ω is a parabola on |w| ≪ α₀, steep above, and
    grows like 2 log w in the end.

    Parameters
    ----------
    prior : float
        α₀ in (0, 1], the prior's first shape.

    Raises
    ------
    InputError
        If the prior lies outside its range.

    Examples
    --------
    >>> BetaBernoulli(prior=1e-4).penalty_at([0.1, 1.0, 10.0]).round(2)
    array([ 0.69,  5.07, 13.12])
    """

    prior: float

    def __post_init__(self) -> None:
        if not 1e-12 <= self.prior <= 1:
            raise InputError(f"prior = {self.prior}", "α₀ lies in [1e-12, 1]", "choose e.g. prior=1e-4")

    @property
    def span(self) -> tuple[float, float]:
        """From w² = 0 to beyond the largest float."""
        return -700.0, float(np.log(1440.0))

    @property
    def limit(self) -> float:
        """Infinite: a gate that is surely open is infinitely far from the prior."""
        return float("inf")

    @property
    def formulas(self) -> tuple[str, str]:
        """(1−m)/m, and twice the divergence."""
        price = (r"2\big[(1-\tfrac{\alpha_0}{a})(-\gamma_E-\psi(b)-\tfrac1b)+\log\tfrac{ab}{\alpha_0}"
                 rf"-\tfrac{{b-1}}{{b}}\big],\quad \alpha_0={self.prior:g}")  # fmt: skip
        return r"\frac{1-m}{m},\quad m=b\,B(1+\tfrac1a,b)", price

    def curve(self, t: Any) -> Curve:
        """Return the law at logit m = logit m₀ + eᵗ."""
        s = np.exp(t)
        near, far = s < CLOSE, np.log(self.prior) + s > TOP
        log_rho = -(np.log(self.prior) + s)
        log_a, log_b = self.shapes(np.clip(s, CLOSE, TOP - np.log(self.prior)))
        found = divergence(self.prior, log_a, log_b)
        dual, log_u = 2 * found.value, np.log(2 * found.value_a / found.mean_a) + found.log_mean
        # On the line u = u₁ s/s₁ the price is f = −∫ u d(1/η) = u s/(2α₀).
        line = log_u + t - np.log(CLOSE)
        dual = np.where(near, np.exp(line + t) / (2 * self.prior), dual)
        # Far out b = 1, m = a/(1+a), so that log a = logit m.
        log_u = np.where(near, line, np.where(far, np.log(2.0) - log_rho, log_u))
        return Curve(log_rho, np.where(far, 2 * (-log_rho - np.log(self.prior) - 1), dual), log_u)

    def shapes(self, s: Any) -> tuple[Any, Any]:
        """Return log a and log b of the least divergence at logit m = logit m₀ + s, for s > 0.

        Examples
        --------
        >>> a, b = BetaBernoulli(1e-4).shapes(np.array([np.log(1e4)]))
        >>> np.exp(a).round(4), np.exp(b).round(4)
        (array([0.3249]), array([0.4285]))
        """
        a, b = _followed(self.prior)(s).T
        return _polished(self.prior, s + np.log(self.prior), a, b)

    def own_verdicts(self) -> Mapping[str, Verdict]:
        """Return what bounds on the divergence decide; the jump of η̂ has numbers only."""
        kept = "K(m) ≤ log(η/α₀) − 1 + α₀/η (b = 1, a = η), so Ω(w) ≤ ½ + log(w²/α₀) once w² ≥ α₀"
        canonical = self._canonical()
        prox = Verdict("unknown", "η̂ is not known to jump", DOMAIN)
        away = "KL ≥ ½E log(1/(1−π)) − log(α₀B(α₀,½)) (Donsker–Varadhan), so K(m) → ∞ as m → 1 (Jensen) and Ω(∞) = ∞"
        far = float(self.penalty_at(FAR))
        return {
            **sublinear(self, kept),
            **smooth_at_zero(self, self.prior),
            "bounded": Verdict("refuted", "growth of the divergence", DOMAIN, {"w": FAR, "value": far}, away),
            "canonical": canonical,
            "continuous_prox": kinked(self, canonical.detail) if canonical.status == "refuted" else prox,
        }

    def _canonical(self) -> Verdict:
        """Enclose the price between the ends of the first jump; without one there is nothing to enclose."""
        jumps = self.jumps()
        if not jumps:
            return Verdict("unknown", "no jump of η̂ found on a grid", "η > 0", detail="double precision, not enclosed")
        at = np.log([jumps[0].eta_left, jumps[0].eta_right]) - np.log(self.prior)
        (a1, a2), (b1, b2) = (row.tolist() for row in self.shapes(at))
        return chord_below(self.prior, ((a1, b1), (a2, b2)))


def divergence(prior: float, log_a: Any, log_b: Any) -> Divergence:
    """Return KL(Kumaraswamy(a, b) ‖ Beta(α₀, 1)), the log of its mean, and their derivatives in log a, log b.

    Examples
    --------
    >>> found = divergence(1e-4, np.log([1e-4]), np.zeros(1))
    >>> bool(abs(found.value[0]) < 1e-14), round(float(np.exp(found.log_mean[0]) * 10001), 12)
    (True, 1.0)
    """
    from scipy.special import digamma, polygamma

    a, b = np.exp(log_a), np.exp(log_b)
    p = 1 / a
    drift = -EULER - digamma(b) - 1 / b
    kept = 1 - prior * p
    mean, above, across = _mean(p, b)
    return Divergence(
        kept * drift + log_a + log_b - np.log(prior) - 1 + 1 / b,
        mean,
        prior * p * drift + 1,
        kept * (1 / b - b * polygamma(1, b)) + 1 - 1 / b,
        p * above,
        -b * across,
    )


def _mean(p: Any, b: Any) -> tuple[Any, Any, Any]:
    """Return log m = log[Γ(1+p)Γ(1+b)/Γ(1+b+p)], ψ(1+b+p) − ψ(1+p) and ψ(1+b+p) − ψ(1+b), without cancellation."""
    from scipy.special import digamma, gammaln, polygamma

    log_mean, above, across = np.empty_like(p), np.empty_like(p), digamma(1 + b + p) - digamma(1 + b)
    low, mid, high = p <= 1, (p > 1) & (p <= 20), p > 20
    q, c = p[low], b[low]
    tau = q[:, None] * (1 + _NODES) / 2
    log_mean[low] = -q / 2 * ((digamma(1 + c[:, None] + tau) - digamma(1 + tau)) @ _WEIGHTS)
    q, c = p[mid], b[mid]
    log_mean[mid] = gammaln(1 + q) + gammaln(1 + c) - gammaln(1 + c + q)
    above[~high] = digamma(1 + b[~high] + p[~high]) - digamma(1 + p[~high])
    z, c = p[high] + 1, b[high]
    ratio = (z + c - 0.5) * np.log1p(c / z) + c * np.log(z) - c + _stirling(z + c) - _stirling(z)
    log_mean[high] = gammaln(1 + c) - ratio
    above[high] = np.log1p(c / z) + 0.5 * c / (z * (z + c)) + _stirling_slope(z + c) - _stirling_slope(z)
    tiny = p < 1e-3
    q, c = p[tiny], b[tiny]
    across[tiny] = q * (polygamma(1, 1 + c) + q / 2 * (polygamma(2, 1 + c) + q / 3 * polygamma(3, 1 + c)))
    return log_mean, above, across


def _stirling(z: Any) -> Any:
    """Return log Γ(z) − (z−½)log z + z − ½log 2π for z ≥ 20."""
    y = 1 / (z * z)
    return (1 / 12 - y * (1 / 360 - y * (1 / 1260 - y * (1 / 1680 - y / 1188)))) / z


def _stirling_slope(z: Any) -> Any:
    """Return ψ(z) − log z + 1/(2z) for z ≥ 20."""
    y = 1 / (z * z)
    return -y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y / 132))))


def _polished(prior: float, logit: Any, log_a: Any, log_b: Any) -> tuple[Any, Any]:
    """Solve for the stationary (a, b) with the given logit of the mean, by Newton with differenced derivatives.

    With x = log b, log a is first moved to the mean; what is left is ∂KL/∂b − (∂KL/∂a)(∂m/∂b)/(∂m/∂a) = 0.
    """
    step = 1e-6

    def residuals(a: Any, b: Any) -> tuple[Any, Any]:
        found = divergence(prior, a, b)
        level = -np.log(np.expm1(-found.log_mean)) - logit
        return level, found.value_b - found.value_a * found.mean_b / found.mean_a

    for _ in range(40):
        level, pull = residuals(log_a, log_b)
        la, pa = ((y - x) / step for x, y in zip((level, pull), residuals(log_a + step, log_b), strict=True))
        lb, pb = ((y - x) / step for x, y in zip((level, pull), residuals(log_a, log_b + step), strict=True))
        det = la * pb - lb * pa
        move_a, move_b = (pull * lb - level * pb) / det, (level * pa - pull * la) / det
        size = np.abs(move_a) + np.abs(move_b)
        damping = np.minimum(1.0, 0.3 / np.maximum(size, 1e-300))
        log_a, log_b = log_a + damping * move_a, log_b + damping * move_b
        if np.max(size, initial=0.0) < 1e-7:  # differencing leaves 1e-6 of the last move
            break
    return log_a, log_b


@lru_cache(maxsize=16)
def _followed(prior: float) -> Any:
    """Return a spline of (log a, log b) over s along the stationary curve, followed from the prior step by step."""
    from scipy.interpolate import CubicSpline

    stop = TOP - np.log(prior)
    start = [0.0, CLOSE / 2, CLOSE, 1e-5, 1e-4, 1e-3, 1e-2]
    s = np.array([*start, *np.arange(0.05, stop, 0.1), stop])
    a, b = np.empty_like(s), np.empty_like(s)
    a[0], b[0] = np.log(prior), 0.0
    for k in range(1, len(s)):
        ratio = (s[k] - s[k - 1]) / (s[k - 1] - s[k - 2]) if k > 2 else 0.0
        guess = (np.array([y[k - 1] + ratio * (y[k - 1] - y[k - 2])]) for y in (a, b))
        found = _polished(prior, s[k : k + 1] + np.log(prior), *guess)
        a[k], b[k] = found[0][0], found[1][0]
    fine = np.array([*start, *np.arange(0.02, stop, 0.02), stop])
    dense = _polished(prior, fine[1:] + np.log(prior), CubicSpline(s, a)(fine[1:]), CubicSpline(s, b)(fine[1:]))
    rows = (np.append(a[0], dense[0]), np.append(b[0], dense[1]))
    return CubicSpline(fine, np.stack(rows, axis=1))
