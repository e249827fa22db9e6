"""What a fit of several outputs returns: the matrix of weights with its certificate, and a path of them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from etatrick.numerics.solution import Certificate, Certified, Status

if TYPE_CHECKING:
    from numpy.typing import NDArray


@final
@dataclass(frozen=True, eq=False)
class OutputsFit(Certified):
    """A fitted model W, b of K outputs with what proves it.

    Parameters
    ----------
    coef : ndarray, shape (d, K)
    intercept : ndarray, shape (K,)
        For the multinomial loss its sum is 0, since a constant for all classes changes nothing.
    objective : float
        Σ v ℓ + λ Σ Ω.
    certificate : Certificate
        From the data. Without convexity, gaps are None; at λ = 0 they are Newton's decrement, an estimate. Violations
        of stationarity are those of entries, or of rows and their lengths where rows are penalised, relative to the
        largest entry, or row, of Xᵀ(residual of the model without X).
    status : Status
    iterations : int
        Passes over X, summed over the outputs where they separate.
    history : tuple of float
        The objective at each pass; never increasing.
    classes : ndarray, shape (K,), or None
        The labels in the order of the columns of `coef`, where labels were given.
    """

    coef: "NDArray[np.float64]"
    intercept: "NDArray[np.float64]"
    objective: float
    certificate: Certificate
    status: Status
    iterations: int
    history: tuple[float, ...]
    classes: "NDArray[Any] | None" = None

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready data without the history."""
        return {
            "coef": self.coef.tolist(),
            "intercept": self.intercept.tolist(),
            "objective": self.objective,
            "certificate": self.certificate.to_json(),
            "status": self.status.name.lower(),
            "iterations": self.iterations,
            "classes": None if self.classes is None else self.classes.tolist(),
        }


@final
@dataclass(frozen=True, eq=False)
class OutputsPath:
    """Fits of several outputs along decreasing λ, one per entry of `lams` (n_lams,)."""

    lams: "NDArray[np.float64]"
    solutions: tuple[OutputsFit, ...]

    @property
    def coefs(self) -> "NDArray[np.float64]":
        """The weights, shape (n_lams, d, K)."""
        return np.array([one.coef for one in self.solutions])

    @property
    def intercepts(self) -> "NDArray[np.float64]":
        """The intercepts, shape (n_lams, K)."""
        return np.array([one.intercept for one in self.solutions])

    @property
    def certificates(self) -> "tuple[Certificate, ...]":
        """One certificate per λ."""
        return tuple(one.certificate for one in self.solutions)
