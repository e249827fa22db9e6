"""Losses of class labels: logistic for two classes, multinomial for more."""

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from scipy.special import expit, logsumexp, softmax, xlogy

from etatrick.errors import InputError
from etatrick.numerics.losses.arguments import Floats
from etatrick.numerics.losses.base import Loss


@final
@dataclass(frozen=True)
class Logistic(Loss):
    """The logistic loss log(1 + e^θ) − yθ for y in [0, 1]; with p = y + u, ℓ*(u) = p log p + (1−p) log(1−p).

    Labels of two values are read as 0 and 1 in their order; −1 and 1 are as good as 0 and 1.

    Examples
    --------
    >>> Logistic().slope([1.0], [0.0])
    array([-0.5])
    """

    curvature_bound: ClassVar[float] = 0.25

    def _targets(self, y: Floats) -> Floats:
        if ((y >= 0) & (y <= 1)).all():
            return y
        values = np.unique(y)
        if len(values) != 2:
            shown = ", ".join(f"{v:g}" for v in values[:4]) + (", …" if len(values) > 4 else "")
            raise InputError(f"y with the values {shown}", "the logistic loss needs two labels, or shares in [0, 1]",
                             "choose loss='multinomial' for more classes")  # fmt: skip
        return np.asarray(y == values[1], dtype=np.float64)

    def _value(self, y: Floats, theta: Floats) -> Floats:
        return np.logaddexp(0, theta) - y * theta

    def _slope(self, y: Floats, theta: Floats) -> Floats:
        return np.asarray(expit(theta) - y, dtype=np.float64)

    def _curvature(self, y: Floats, theta: Floats) -> Floats:
        return np.asarray(expit(theta) * expit(-theta), dtype=np.float64)

    def _conjugate(self, y: Floats, u: Floats) -> Floats:
        p = np.clip(y + u, 0, 1)
        inside = (y + u >= 0) & (y + u <= 1)
        return np.where(inside, xlogy(p, p) + xlogy(1 - p, 1 - p), np.inf)

    def _feasible(self, y: Floats, u: Floats) -> Floats:
        return np.clip(u, -y, 1 - y)

    def _mean(self, theta: Floats) -> Floats:
        return np.asarray(expit(theta), dtype=np.float64)

    def _predictor(self, y: Floats) -> Floats:
        share = np.clip(y.mean(), 1e-300, 1 - 1e-16)
        return np.asarray(np.log(share) - np.log1p(-share), dtype=np.float64)

    def _cvxpy_terms(self, y: Floats, theta: Any) -> Any:
        import cvxpy as cp

        return cp.logistic(theta) - cp.multiply(y, theta)


@final
@dataclass(frozen=True)
class Multinomial(Loss):
    """The multinomial loss log Σ_c e^{θ_c} − Σ_c y_c θ_c, θ and y of shape (n, classes), rows of y summing to 1.

    With p = y + u on the simplex, ℓ*(u) = Σ p log p. Labels are turned into indicators by :meth:`targets`; a value and
    a conjugate have shape (n,), and curvature is the diagonal p_c(1 − p_c) of diag(p) − ppᵀ.

    Examples
    --------
    >>> Multinomial().targets([2, 5, 2]).tolist()
    [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    """

    curvature_bound: ClassVar[float] = 0.5

    def _targets(self, y: Floats) -> Floats:
        if y.ndim == 2:
            if (y < 0).any() or not np.allclose(y.sum(axis=1), 1, rtol=0, atol=1e-12):
                raise InputError(f"y of shape {y.shape}", "its rows must be ≥ 0 and sum to 1",
                                 "pass labels, or shares of classes")  # fmt: skip
            return y
        values = np.unique(y)
        if len(values) < 2:
            raise InputError(f"y with the single value {values[0]:g}", "the multinomial loss needs two classes",
                             "add data of another class")  # fmt: skip
        return np.asarray(y[:, None] == values, dtype=np.float64)

    def _value(self, y: Floats, theta: Floats) -> Floats:
        return np.asarray(logsumexp(theta, axis=-1) - (y * theta).sum(axis=-1), dtype=np.float64)

    def _slope(self, y: Floats, theta: Floats) -> Floats:
        return np.asarray(softmax(theta, axis=-1) - y, dtype=np.float64)

    def _curvature(self, y: Floats, theta: Floats) -> Floats:
        p = softmax(theta, axis=-1)
        return np.asarray(p * (1 - p), dtype=np.float64)

    def _conjugate(self, y: Floats, u: Floats) -> Floats:
        p = y + u
        scale = 1e-12 * (1 + np.abs(u).sum(axis=-1))
        inside = (p >= 0).all(axis=-1) & (np.abs(u.sum(axis=-1)) <= scale)
        return np.where(inside, xlogy(np.maximum(p, 0), np.maximum(p, 0)).sum(axis=-1), np.inf)

    def _feasible(self, y: Floats, u: Floats) -> Floats:
        ordered = -np.sort(-(y + u), axis=-1)  # projection onto the simplex by sorting
        counts = np.arange(1, y.shape[-1] + 1)
        levels = (np.cumsum(ordered, axis=-1) - 1) / counts
        last = (ordered > levels).sum(axis=-1, keepdims=True) - 1
        return np.maximum(y + u - np.take_along_axis(levels, last, axis=-1), 0) - y

    def _mean(self, theta: Floats) -> Floats:
        return np.asarray(softmax(theta, axis=-1), dtype=np.float64)

    def _predictor(self, y: Floats) -> Floats:
        return np.asarray(np.log(np.maximum(y.mean(axis=0), 1e-300)), dtype=np.float64)

    def _cvxpy_terms(self, y: Floats, theta: Any) -> Any:
        import cvxpy as cp

        return cp.log_sum_exp(theta, axis=1) - cp.sum(cp.multiply(y, theta), axis=1)
