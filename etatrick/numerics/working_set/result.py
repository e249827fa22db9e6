"""What the engine returns: a fitted model with its certificate, and a path of them."""

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Ending(Enum):
    """How a fit ended, in a sentence for the user."""

    OPTIMAL = "The duality gap is within the tolerance: this is a global minimum."
    STATIONARY = "The stationarity conditions hold within the tolerance; the penalty is not convex."
    STALLED = "Rounding stopped progress before the tolerance; the certificate says how close it came."
    LIMIT = "The iteration limit was reached; start from this result, or loosen tol."
    DIVERGING = "The weights grow without bound, as for separable classes without a penalty; choose lam > 0."


@final
@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted model w, b with what proves it.

    Parameters
    ----------
    coef : ndarray, shape (d,)
    intercept : float
    objective : float
        Σ v ℓ + λ Σ Ω.
    gap, relative_gap : float or None
        Objective minus the value of a feasible dual point, and that over the deviance of the null model; None
        unless the penalty is convex.
    kkt, relative_kkt : float
        Largest violation of stationarity, and that over ‖Xᵀ(residual of the null model)‖_∞.
    locally_minimal : bool
        Whether the second-order conditions hold on the support, and the zeros are held.
    iterations : int
        Passes over X.
    history : tuple of float
        The objective at each pass; never increasing.
    status : Ending
    """

    coef: "NDArray[np.float64]"
    intercept: float
    objective: float
    gap: float | None
    relative_gap: float | None
    kkt: float
    relative_kkt: float
    locally_minimal: bool
    iterations: int
    history: tuple[float, ...]
    status: Ending

    @property
    def certificate(self) -> float:
        """The relative figure that decides: the gap where there is one, else the residual."""
        return self.relative_kkt if self.relative_gap is None else self.relative_gap


@final
@dataclass(frozen=True, eq=False)
class FitPath:
    """Fits along decreasing λ."""

    lams: "NDArray[np.float64]"
    fits: tuple[Fit, ...]

    @property
    def coefs(self) -> "NDArray[np.float64]":
        """The coefficients, shape (n_lams, d)."""
        return np.array([fit.coef for fit in self.fits])

    @property
    def intercepts(self) -> "NDArray[np.float64]":
        """The intercepts, shape (n_lams,)."""
        return np.array([fit.intercept for fit in self.fits])
