"""Losses of several outputs at once: squared errors and the multinomial cross-entropy, sample by sample."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
from scipy.special import xlogy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

STEPS = 40
BALANCED = 4e-16  # Σ v(y − mean) counts as 0 up to this, relative to Σ v|y − mean|


class Response(ABC):
    """A convex loss ℓ(y, θ) of targets y and predictors θ, both of shape (n, K)."""

    @abstractmethod
    def values(self, Y: "Floats", theta: "Floats") -> "Floats":
        """Return ℓ(y_i, θ_i), shape (n,)."""

    @abstractmethod
    def means(self, theta: "Floats") -> "Floats":
        """Return what the model predicts for y, shape (n, K): ∂ℓ/∂θ = mean − y."""

    @abstractmethod
    def residuals(self, Y: "Floats", theta: "Floats") -> "Floats":
        """Return y − mean, shape (n, K)."""

    @abstractmethod
    def saturated(self, Y: "Floats") -> "Floats":
        """Return ℓ*(y, 0) = −min ℓ(y, ·), shape (n,)."""

    @abstractmethod
    def young(self, Y: "Floats", theta: "Floats", U: "Floats") -> "Floats":
        """Return ℓ(θ) + ℓ*(u) − ⟨u, θ⟩ ≥ 0, shape (n,), for u in the domain of ℓ*."""

    @abstractmethod
    def shift(self, Y: "Floats", theta: "Floats", weights: "Floats") -> "Floats":
        """Return the constants, shape (K,), that lower Σ v ℓ(y, θ + ·) the most."""


@final
@dataclass(frozen=True)
class SquaredErrors(Response):
    """ℓ = ½‖y − θ‖².

    Examples
    --------
    >>> SquaredErrors().values(np.array([[1.0, 2.0]]), np.zeros((1, 2)))
    array([2.5])
    """

    def values(self, Y: "Floats", theta: "Floats") -> "Floats":
        """Return ½‖y − θ‖²."""
        residual = Y - theta
        return np.asarray(0.5 * np.einsum("ik,ik->i", residual, residual), dtype=np.float64)

    def means(self, theta: "Floats") -> "Floats":
        """Return θ."""
        return theta

    def residuals(self, Y: "Floats", theta: "Floats") -> "Floats":
        """Return y − θ."""
        return Y - theta

    def saturated(self, Y: "Floats") -> "Floats":
        """Return 0."""
        return np.zeros(len(Y))

    def young(self, Y: "Floats", theta: "Floats", U: "Floats") -> "Floats":
        """Return ½‖θ − y − u‖²."""
        return self.values(U, theta - Y)

    def shift(self, Y: "Floats", theta: "Floats", weights: "Floats") -> "Floats":
        """Return the weighted mean of y − θ."""
        return np.asarray(weights @ (Y - theta) / weights.sum(), dtype=np.float64)


@final
@dataclass(frozen=True)
class CrossEntropy(Response):
    """ℓ = log Σ_k e^{θ_k} − ⟨y, θ⟩ for y on the simplex; with q = y + u on the simplex, ℓ*(u) = Σ q log q.

    Examples
    --------
    >>> CrossEntropy().means(np.zeros((1, 4)))
    array([[0.25, 0.25, 0.25, 0.25]])
    """

    def values(self, Y: "Floats", theta: "Floats") -> "Floats":
        """Return log Σ e^θ − ⟨y, θ⟩, from θ less its largest entry."""
        lowered = theta - theta.max(axis=1, keepdims=True)
        return np.asarray(np.log(np.exp(lowered).sum(axis=1)) - np.einsum("ik,ik->i", Y, lowered), dtype=np.float64)

    def means(self, theta: "Floats") -> "Floats":
        """Return the probabilities."""
        sizes = np.exp(theta - theta.max(axis=1, keepdims=True))
        return np.asarray(sizes / sizes.sum(axis=1, keepdims=True), dtype=np.float64)

    def residuals(self, Y: "Floats", theta: "Floats") -> "Floats":
        """Return y − p; where y_k = 1 the sum of the other probabilities, which keeps its digits near certainty."""
        P = self.means(theta)
        own = Y == 1
        others = np.where(own, 0.0, P)
        return np.asarray(np.where(own, others.sum(axis=1, keepdims=True), Y - P), dtype=np.float64)

    def saturated(self, Y: "Floats") -> "Floats":
        """Return Σ y log y."""
        return np.asarray(xlogy(Y, Y).sum(axis=1), dtype=np.float64)

    def young(self, Y: "Floats", theta: "Floats", U: "Floats") -> "Floats":
        """Return Σ [q log(q/p) − q + p] with q = y + u: the divergence of q from the probabilities p, term by term."""
        lowered = theta - theta.max(axis=1, keepdims=True)
        logs = lowered - np.log(np.exp(lowered).sum(axis=1, keepdims=True))
        p = np.exp(logs)
        q = np.maximum(Y + U, 0.0)
        change = np.divide(q - p, p, out=np.full_like(p, np.inf), where=p > 0)
        with np.errstate(invalid="ignore"):
            near = p * ((1 + change) * np.log1p(np.maximum(change, -1 + 1e-16)) - change)
            far = xlogy(q, q) - q * logs - q + p
        terms = np.where(np.abs(change) < 0.5, near, far)
        return np.asarray(np.maximum(terms, 0.0).sum(axis=1), dtype=np.float64)

    def shift(self, Y: "Floats", theta: "Floats", weights: "Floats") -> "Floats":
        """Return the constants by Newton's method with halving; their sum is 0."""
        total, found = float(weights.sum()), np.zeros(Y.shape[1])
        value, R = float(weights @ self.values(Y, theta)), self.residuals(Y, theta)
        excess = weights @ R
        for _ in range(STEPS):
            if float(np.abs(excess).max()) <= BALANCED * float(weights @ np.abs(R).sum(axis=1)):
                break
            # excess ⊥ 1, the null direction of the Hessian, so that adding a multiple of 11ᵀ changes nothing
            step = np.linalg.solve(class_curvature(self.means(theta + found), weights), excess)
            size = 1.0
            while size > 1e-9:
                there = found + size * step
                after = float(weights @ self.values(Y, theta + there))
                if after <= value + 1e-15 * (abs(value) + total):
                    break
                size /= 2
            R = self.residuals(Y, theta + there)
            lowered = weights @ R
            if size <= 1e-9 or (size == 1 and np.abs(lowered).max() >= np.abs(excess).max()):
                break
            found, excess, value = there, lowered, after
        return found


def class_curvature(P: "Floats", weights: "Floats") -> "Floats":
    """Return Σ v (diag p − ppᵀ) plus a multiple of 11ᵀ that makes it positive definite, shape (K, K).

    Its rows sum to 0 before that, so that the diagonal is a sum of the other entries, without cancellation.
    """
    between = P.T @ (P * weights[:, None])
    between.flat[:: len(between) + 1] = 0.0
    diagonal = between.sum(axis=1)
    least = float(diagonal.max()) or 1.0
    H = np.diag(diagonal * (1 + 1e-14) + 1e-14 * least) - between
    return np.asarray(H + least / len(H), dtype=np.float64)
