"""What every solver returns: the solution with its certificate and how the solve ended, and a path of them along λ."""

from abc import ABC
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Status(Enum):
    """How a solve ended, in a sentence for the user."""

    OPTIMAL = "The duality gap is within the tolerance: this is a global minimum."
    STATIONARY = (
        "The stationarity conditions hold within the tolerance (100 times it where rounding stopped progress); no "
        "duality gap proves a global minimum."
    )
    STALLED = "Rounding stopped progress before the tolerance; the certificate says how close it came."
    LIMIT = "The iteration limit was reached; pass the result's coef as start= to go on, or loosen tol."
    DIVERGING = "The weights grow without bound, as for separable classes without a penalty; choose lam > 0."

    @property
    def converged(self) -> bool:
        """Whether the tolerance was met."""
        return self in (Status.OPTIMAL, Status.STATIONARY)


@final
@dataclass(frozen=True)
class Certificate:
    """How close a point is to stationarity and, for convex problems, to the optimum.

    Relative figures are relative to the *null model*, which has the offset and, where one is fitted, the intercept,
    but no weights: the gap to its deviance, which is what there is to explain, the residual to its gradient. Both scale
    with units, sample weights and the number of rows as what they divide does, and neither depends on λ, on the
    penalty, or on constants that a loss carries along: 1e-6 means the same for every loss. For the squared loss the
    deviance is ½Σv(y − ȳ)².

    Parameters
    ----------
    kkt : float
        Largest violation of the stationarity conditions: ``|x_jᵀr − λΩ′(|w_j|)sgn(w_j)|`` where w_j ≠ 0 and
        ``max(|x_jᵀr| − λΩ′(0+), 0)`` where w_j = 0, with r = −vℓ′(y, Xw + b + o), for the squared loss the weighted
        residual; with an intercept also ``|Σr|``. For a penalty with joint scales, λ‖w − x‖_∞ with x the proximal map
        of Ω at w + z, z = Xᵀr/λ: a point that close to w has a subgradient that close to z. For the norms of
        ``Ordered`` and ``Overlapping``, the larger of the dual norm's excess and |λΩ(w) − ⟨w, Xᵀr⟩|/‖w‖₁.
    relative_kkt : float
        The same divided by ‖Xᵀr‖_∞ at the null model (by 1 if that is 0).
    gap : float or None
        Objective minus the value of a feasible dual point; None unless convexity is proved. For λ = 0 Newton's
        decrement, which is the distance to the optimum for the squared loss, and an estimate of it for others.
    relative_gap : float or None
        The gap divided by the deviance of the null model (by 1 if that is 0).
    locally_minimal : bool
        Whether the Hessian on the support is positive definite and every zero is held strictly or within
        rounding.
    """

    kkt: float
    relative_kkt: float
    gap: float | None
    relative_gap: float | None
    locally_minimal: bool

    @property
    def kind(self) -> Literal["duality gap", "KKT residual"]:
        """Which of the two decides."""
        return "KKT residual" if self.gap is None else "duality gap"

    @property
    def value(self) -> float:
        """The relative figure of the deciding certificate."""
        return self.relative_kkt if self.relative_gap is None else self.relative_gap

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        return {"kind": self.kind, **vars(self)}


class Certified(ABC):
    """What every fitted model is: it has a certificate and says how its solve ended."""

    certificate: Certificate
    status: Status

    @property
    def converged(self) -> bool:
        """Whether the tolerance was met."""
        return self.status.converged

    @property
    def gap(self) -> float | None:
        """The certificate's duality gap."""
        return self.certificate.gap

    @property
    def relative_gap(self) -> float | None:
        """The certificate's relative duality gap."""
        return self.certificate.relative_gap

    @property
    def kkt(self) -> float:
        """The certificate's violation of stationarity."""
        return self.certificate.kkt

    @property
    def relative_kkt(self) -> float:
        """The certificate's relative violation of stationarity."""
        return self.certificate.relative_kkt

    @property
    def locally_minimal(self) -> bool:
        """Whether the second-order conditions hold."""
        return self.certificate.locally_minimal


@final
@dataclass(frozen=True, eq=False)
class Solution(Certified):
    """A solution of Σ_i v_i ℓ(y_i, x_iᵀw + b + o_i) + λ Σ_j Ω(w_j), with what proves it.

    Parameters
    ----------
    coef : ndarray, shape (d,)
    intercept : float
    objective : float
        The objective's value.
    certificate : Certificate
        From the data; see :func:`etatrick.numerics.certify`.
    status : Status
    iterations : int
        Steps taken, or passes over X.
    history : tuple of float
        The lowest objective up to each step; reweighted ridge and majorise–minimise descend at every step.

    Examples
    --------
    >>> from etatrick.numerics.solver import solve
    >>> from etatrick.theory import penalties
    >>> s = solve(np.eye(2), [3.0, 0.5], penalties["l1"](k=1), 1.0)
    >>> s.status.name, s.converged, s.kkt, s.relative_gap
    ('OPTIMAL', True, 0.0, 0.0)
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
@dataclass(frozen=True, eq=False)
class Path:
    """Solutions along λ, one per entry of `lams` (n_lams,)."""

    lams: "NDArray[np.float64]"
    solutions: tuple[Solution, ...]

    @property
    def coefs(self) -> "NDArray[np.float64]":
        """The coefficients, shape (n_lams, d)."""
        return np.array([solution.coef for solution in self.solutions])

    @property
    def intercepts(self) -> "NDArray[np.float64]":
        """The intercepts, shape (n_lams,)."""
        return np.array([solution.intercept for solution in self.solutions])

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """One certificate per λ."""
        return tuple(solution.certificate for solution in self.solutions)
