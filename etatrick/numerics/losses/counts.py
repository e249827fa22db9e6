"""Losses of counts and of positive amounts, with a logarithmic link: Poisson and Gamma."""

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from scipy.special import xlogy

from etatrick.numerics.losses.arguments import Floats, at_least
from etatrick.numerics.losses.base import Loss


@final
@dataclass(frozen=True)
class Poisson(Loss):
    """The Poisson loss e^θ − yθ for y ≥ 0; with m = y + u ≥ 0, ℓ*(u) = m log m − m.

    Examples
    --------
    >>> Poisson().slope([2.0], [0.0])
    array([-1.])
    """

    curvature_bound: ClassVar[float] = np.inf

    def _targets(self, y: Floats) -> Floats:
        return at_least(y, 0.0, strict=False, family="the Poisson loss")

    def _value(self, y: Floats, theta: Floats) -> Floats:
        return np.exp(theta) - y * theta

    def _slope(self, y: Floats, theta: Floats) -> Floats:
        return np.exp(theta) - y

    def _curvature(self, y: Floats, theta: Floats) -> Floats:
        return np.exp(theta)

    def _conjugate(self, y: Floats, u: Floats) -> Floats:
        m = y + u
        return np.where(m >= 0, xlogy(np.maximum(m, 0), np.maximum(m, 0)) - m, np.inf)

    def _feasible(self, y: Floats, u: Floats) -> Floats:
        return np.maximum(u, -y)

    def _mean(self, theta: Floats) -> Floats:
        return np.exp(theta)

    def _predictor(self, y: Floats) -> Floats:
        return np.asarray(np.log(np.maximum(y.mean(), np.finfo(np.float64).tiny)), dtype=np.float64)

    def _cvxpy_terms(self, y: Floats, theta: Any) -> Any:
        import cvxpy as cp

        return cp.exp(theta) - cp.multiply(y, theta)


@final
@dataclass(frozen=True)
class Gamma(Loss):
    """The Gamma loss with a logarithmic link, ye^{−θ} + θ for y > 0; with m = 1 − u ≥ 0, ℓ*(u) = m log(m/y) − m.

    It is the negative log-likelihood at shape 1; another shape scales it.

    Examples
    --------
    >>> Gamma().slope([2.0], [0.0])
    array([-1.])
    """

    curvature_bound: ClassVar[float] = np.inf

    def _targets(self, y: Floats) -> Floats:
        return at_least(y, 0.0, strict=True, family="the Gamma loss")

    def _value(self, y: Floats, theta: Floats) -> Floats:
        return y * np.exp(-theta) + theta

    def _slope(self, y: Floats, theta: Floats) -> Floats:
        return 1 - y * np.exp(-theta)

    def _curvature(self, y: Floats, theta: Floats) -> Floats:
        return y * np.exp(-theta)

    def _conjugate(self, y: Floats, u: Floats) -> Floats:
        m = 1 - u
        return np.where(m >= 0, xlogy(np.maximum(m, 0), np.maximum(m, 0) / y) - m, np.inf)

    def _feasible(self, y: Floats, u: Floats) -> Floats:
        return np.minimum(u, 1.0)

    def _mean(self, theta: Floats) -> Floats:
        return np.exp(theta)

    def _predictor(self, y: Floats) -> Floats:
        return np.asarray(np.log(y.mean()), dtype=np.float64)

    def _cvxpy_terms(self, y: Floats, theta: Any) -> Any:
        import cvxpy as cp

        return cp.multiply(y, cp.exp(-theta)) + theta
