"""Losses of real targets: squared and Huber."""

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.losses.arguments import Floats
from etatrick.numerics.losses.base import Loss


@final
@dataclass(frozen=True)
class Squared(Loss):
    """The squared loss ½(y − θ)²; ℓ*(u) = uy + ½u².

    Examples
    --------
    >>> Squared().slope([1.0], [3.0])
    array([2.])
    """

    curvature_bound: ClassVar[float] = 1.0

    def _targets(self, y: Floats) -> Floats:
        return y

    def _value(self, y: Floats, theta: Floats) -> Floats:
        return 0.5 * (y - theta) ** 2

    def _slope(self, y: Floats, theta: Floats) -> Floats:
        return theta - y

    def _curvature(self, y: Floats, theta: Floats) -> Floats:
        return np.ones_like(theta)

    def _conjugate(self, y: Floats, u: Floats) -> Floats:
        return u * y + 0.5 * u**2

    def _feasible(self, y: Floats, u: Floats) -> Floats:
        return u

    def _mean(self, theta: Floats) -> Floats:
        return theta

    def _predictor(self, y: Floats) -> Floats:
        return np.asarray(y.mean(), dtype=np.float64)

    def _cvxpy_terms(self, y: Floats, theta: Any) -> Any:
        import cvxpy as cp

        return cp.square(y - theta) / 2


@final
@dataclass(frozen=True)
class Huber(Loss):
    """Huber's loss: ½r² for |r| = |y − θ| ≤ δ and δ|r| − ½δ² beyond; ℓ*(u) = uy + ½u² for |u| ≤ δ.

    Parameters
    ----------
    delta : float
        δ > 0, in units of y.

    Examples
    --------
    >>> Huber(1.0).value([0.0], [3.0])
    array([2.5])
    """

    delta: float = 1.0
    curvature_bound: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.delta < np.inf:
            raise InputError(f"delta = {self.delta}", "δ must be finite and > 0", "choose e.g. delta=1.345")

    def _targets(self, y: Floats) -> Floats:
        return y

    def _value(self, y: Floats, theta: Floats) -> Floats:
        size = np.abs(y - theta)
        near = np.minimum(size, self.delta)
        return 0.5 * near**2 + self.delta * (size - near)

    def _slope(self, y: Floats, theta: Floats) -> Floats:
        return np.clip(theta - y, -self.delta, self.delta)

    def _curvature(self, y: Floats, theta: Floats) -> Floats:
        return (np.abs(y - theta) <= self.delta).astype(np.float64)

    def _conjugate(self, y: Floats, u: Floats) -> Floats:
        return np.where(np.abs(u) <= self.delta, u * y + 0.5 * u**2, np.inf)

    def _feasible(self, y: Floats, u: Floats) -> Floats:
        return np.clip(u, -self.delta, self.delta)

    def _mean(self, theta: Floats) -> Floats:
        return theta

    def _predictor(self, y: Floats) -> Floats:
        return np.asarray(np.median(y), dtype=np.float64)

    def _cvxpy_terms(self, y: Floats, theta: Any) -> Any:
        import cvxpy as cp

        return cp.huber(y - theta, self.delta) / 2
