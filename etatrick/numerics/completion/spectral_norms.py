"""Norms of singular values: k-support and ordered weights, as the solver of completion needs them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from etatrick.numerics.k_support import (
    k_support_dual_norm,
    k_support_norm,
    ordered_dual_norm,
    ordered_norm,
    prox_k_support,
    prox_ordered,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray


class SpectralNorm(ABC):
    """A norm of the singular values: what the solver needs of it."""

    @abstractmethod
    def norm(self, values: "NDArray[np.float64]") -> float:
        """Return N(σ)."""

    @abstractmethod
    def dual_norm(self, values: "NDArray[np.float64]") -> float:
        """Return N*(σ)."""

    @abstractmethod
    def prox(self, values: "NDArray[np.float64]", beta: float) -> "NDArray[np.float64]":
        """Return the minimiser of ½‖x − σ‖² + (β/2)N(x)²."""


@final
@dataclass(frozen=True)
class KSupport(SpectralNorm):
    """The spectral k-support norm: k = 1 is the nuclear, k = min(a, b) the Frobenius norm."""

    k: float

    def norm(self, values: "NDArray[np.float64]") -> float:
        """Return N(σ)."""
        return float(k_support_norm(values, self.k))

    def dual_norm(self, values: "NDArray[np.float64]") -> float:
        """Return N*(σ)."""
        return float(k_support_dual_norm(values, self.k))

    def prox(self, values: "NDArray[np.float64]", beta: float) -> "NDArray[np.float64]":
        """Return the minimiser of ½‖x − σ‖² + (β/2)N(x)²."""
        return np.asarray(prox_k_support(values, self.k, beta), dtype=np.float64)


@final
@dataclass(frozen=True)
class Ordered(SpectralNorm):
    """The norm with dual N*² = Σω_iσ_i², ω nonincreasing."""

    omega: tuple[float, ...]

    def norm(self, values: "NDArray[np.float64]") -> float:
        """Return N(σ)."""
        return float(ordered_norm(values, self.omega))

    def dual_norm(self, values: "NDArray[np.float64]") -> float:
        """Return N*(σ)."""
        return float(ordered_dual_norm(values, self.omega))

    def prox(self, values: "NDArray[np.float64]", beta: float) -> "NDArray[np.float64]":
        """Return the minimiser of ½‖x − σ‖² + (β/2)N(x)²."""
        return np.asarray(prox_ordered(values, self.omega, beta), dtype=np.float64)


def spectral_norm(k: Any, length: int) -> SpectralNorm:
    """Return the norm that a number k or weights ω ask for; the first proximal map checks their range."""
    norm = KSupport(k) if np.ndim(k) == 0 else Ordered(tuple(np.asarray(k, dtype=np.float64).tolist()))
    norm.prox(np.ones(length), 1.0)
    return norm
