"""Laws of centred noise ζ: variance, log-moment generating function, its slope, and its Taylor coefficients."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SMALL: Final = 0.35
ORDER: Final = 120
NEAR_ORDER: Final = 36


class CentredLaw(ABC):
    """Independent noise ζ_1, …, ζ_B with mean 0; arrays of arguments have one column per term.

    Examples
    --------
    >>> from etatrick.numerics.expected.centred import TwoPoint
    >>> TwoPoint(np.array([1.0])).variance.tolist()  # ζ = ±1
    [1.0]
    """

    @property
    @abstractmethod
    def variance(self) -> Floats:
        """E ζ_j², shape (B,)."""

    @abstractmethod
    def log_mgf(self, s: Floats) -> Floats:
        """Return log E e^{s_j ζ_j}, accurate relative to itself; s of shape (…, B)."""

    @abstractmethod
    def log_mgf_slope(self, s: Floats) -> Floats:
        """Return the derivative of :meth:`log_mgf`."""


@final
@dataclass(frozen=True, eq=False)
class Normal(CentredLaw):
    """ζ_j ~ N(0, λ_j).

    Parameters
    ----------
    odds : ndarray of shape (B,)
        Variances λ_j ≥ 0.

    Examples
    --------
    >>> Normal(np.array([2.0])).log_mgf(np.array([1.0])).tolist()
    [1.0]
    """

    odds: Floats

    @property
    def variance(self) -> Floats:
        """λ_j."""
        return self.odds

    def log_mgf(self, s: Floats) -> Floats:
        """Return λs²/2."""
        return 0.5 * self.odds * s**2

    def log_mgf_slope(self, s: Floats) -> Floats:
        """Return λs."""
        return self.odds * s


@final
@dataclass(frozen=True, eq=False)
class TwoPoint(CentredLaw):
    r"""Dropout's ζ = ρ − 1 with ρ = Ber(θ)/θ: −1 with probability δ = λ/(1+λ), λ with probability θ = 1/(1+λ).

    It is kept by its odds λ = (1−θ)/θ, which hold their relative accuracy for tiny drop rates.

    Parameters
    ----------
    odds : ndarray of shape (B,)
        λ_j ≥ 0; 0 is no noise.

    Examples
    --------
    >>> law = TwoPoint(np.array([1.0]))
    >>> bool(np.isclose(law.log_mgf(np.array([2.0]))[0], np.log(np.cosh(2.0)), rtol=1e-15))
    True
    """

    odds: Floats

    @property
    def variance(self) -> Floats:
        """λ_j."""
        return self.odds

    @property
    def drop(self) -> Floats:
        """δ_j = λ_j/(1+λ_j)."""
        return self.odds / (1 + self.odds)

    @property
    def keep(self) -> Floats:
        """θ_j = 1/(1+λ_j)."""
        return 1 / (1 + self.odds)

    @property
    def radius(self) -> Floats:
        """Distance from 0 of the zeros of E e^{sζ}: log E e^{sζ} is analytic for |s| below it."""
        with np.errstate(divide="ignore"):
            return np.hypot(np.pi, np.log(self.odds)) / (1 + self.odds)

    def log_mgf(self, s: Floats) -> Floats:
        """Return log(θe^{λs} + δe^{−s}): by its Taylor series near 0, where the closed form cancels."""
        s = np.asarray(s, dtype=np.float64)
        spread = (1 + self.odds) * np.abs(s)
        with np.errstate(over="ignore"):
            above = np.log1p(self.keep * np.expm1(np.minimum(spread, 700.0))) - np.abs(s)
            far = self.odds * np.abs(s) - np.log1p(self.odds)
            below = np.log1p(self.drop * np.expm1(spread.clip(max=700.0))) - self.odds * np.abs(s)
        below_far = np.abs(s) + np.log(np.maximum(self.drop, 1e-300))
        up = np.where(spread > 700, far, above)
        down = np.where(spread > 700, below_far, below)
        value = np.where(s >= 0, up, down)
        near = np.abs(s) < SMALL * self.radius
        value = np.where(near, self._series(np.where(near, s, 0.0)), value)
        return np.where(self.odds > 0, value, 0.0)

    def log_mgf_slope(self, s: Floats) -> Floats:
        """Return δ(e^{(1+λ)s} − 1)/(1 + θ(e^{(1+λ)s} − 1)), written so that nothing overflows."""
        grown = np.expm1(-(1 + self.odds) * np.abs(s))  # in (−1, 0]
        up = -self.drop * grown / (1 + self.drop * grown)
        down = self.drop * grown / (1 + self.keep * grown)
        return np.asarray(np.where(np.asarray(s) >= 0, up, down), dtype=np.float64)

    @cached_property
    def coefficients(self) -> Floats:
        r"""The c_m of log E e^{sζ} = Σ_m c_m (s/ϱ)^m, ϱ the radius, shape (121, B).

        p = δe^{−s}/(θe^{λs} + δe^{−s}) solves p′ = (1+λ)(p² − p), and the derivative sought is λ − (1+λ)p.
        """
        odds, place = np.unique(self.odds, return_inverse=True)
        law = TwoPoint(odds)
        pace = np.where(odds > 0, (1 + odds) * np.where(odds > 0, law.radius, 0.0), 0.0)
        p, found = np.zeros((ORDER + 1, len(odds))), np.zeros((ORDER + 1, len(odds)))
        p[0] = law.drop
        for k in range(ORDER):
            bend = (p[1:k] * p[k - 1 : 0 : -1]).sum(axis=0) + (2 * p[0] - 1) * p[k] if k else p[0] * (p[0] - 1)
            p[k + 1] = pace * bend / (k + 1)
        for m in range(2, ORDER + 1):
            found[m] = -pace * p[m - 1] / m
        return found[:, place]

    def _series(self, s: Floats) -> Floats:
        radius = np.where(self.odds > 0, self.radius, 1.0)
        x, total = s / radius, np.zeros(np.broadcast(s, radius).shape)
        for c in self.coefficients[NEAR_ORDER:1:-1]:
            total = total * x + c
        return total * x**2
