"""What a solver returns: the solution, how it ended, and the path of solutions along λ."""

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, final

import numpy as np

from etatrick.numerics.certificates import Certificate

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Status(Enum):
    """How a solve ended, in a sentence for the user."""

    CONVERGED = "The stationarity conditions hold to the tolerance asked for."
    STALLED = "Rounding stopped progress before the tolerance; the certificate says how close it came."
    DIVERGING = "The weights grow without bound, as for separable classes without a penalty; choose lam > 0."
    LIMIT = "The iteration limit was reached; pass the result as start= to go on, or loosen tol."


@final
@dataclass(frozen=True)
class Solution:
    """A solution of ½‖y − Xw‖² + λ Σ Ω(w_j), with what proves it.

    Parameters
    ----------
    coef : ndarray, shape (d,)
    intercept : float
    objective : float
        The objective's value.
    certificate : Certificate
        Recomputed from the data; see :func:`etatrick.numerics.certify`.
    status : Status
    iterations : int
        Steps taken.
    history : tuple of float
        The objective after each step; it never increases beyond rounding.
    """

    coef: "NDArray[np.float64]"
    intercept: float
    objective: float
    certificate: Certificate
    status: Status
    iterations: int
    history: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready data without the history."""
        return {
            "coef": self.coef.tolist(),
            "intercept": self.intercept,
            "objective": self.objective,
            "certificate": self.certificate.to_json(),
            "status": self.status.name.lower(),
            "iterations": self.iterations,
        }


@final
@dataclass(frozen=True)
class Path:
    """Solutions along decreasing λ: `coefs` (n_lams, d), `lams` (n_lams,), and one certificate each."""

    lams: "NDArray[np.float64]"
    solutions: tuple[Solution, ...]

    @property
    def coefs(self) -> "NDArray[np.float64]":
        """The coefficients, shape (n_lams, d)."""
        return np.array([solution.coef for solution in self.solutions])

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """One certificate per λ."""
        return tuple(solution.certificate for solution in self.solutions)
