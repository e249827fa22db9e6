"""Certificates that anyone can recompute from the data: duality gap (convex) and KKT residual (any penalty)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np

from etatrick.numerics.problem import Problem, problem

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@final
@dataclass(frozen=True)
class Certificate:
    """How close a point is to stationarity and, for convex problems, to the optimum.

    Parameters
    ----------
    kkt : float
        Largest violation of the stationarity conditions: ``|x_jᵀr − λΩ′(|w_j|)sgn(w_j)|`` where w_j ≠ 0 and
        ``max(|x_jᵀr| − λΩ′(0+), 0)`` where w_j = 0, with r = y − Xw.
    relative_kkt : float
        The same divided by ‖Xᵀy‖_∞.
    gap : float or None
        Objective minus the value of a feasible dual point; None unless convexity is proved.
    relative_gap : float or None
        The gap divided by the objective at 0.
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


def certify(
    X: "ArrayLike",
    y: "ArrayLike",
    coef: "ArrayLike",
    penalty: Any,
    lam: float,
    *,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
) -> Certificate:
    """Recompute the certificate of a coefficient vector from the data alone.

    Parameters
    ----------
    X, y, penalty, lam, fit_intercept, sample_weight
        As in :func:`etatrick.numerics.solve`.
    coef : array_like, shape (d,)
        The point to judge, from any solver.

    Returns
    -------
    Certificate

    Raises
    ------
    InputError
        As :func:`etatrick.numerics.solve`.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> certify(np.eye(2), [3.0, 0.5], [2.0, 0.0], penalties["l1"](k=1), 1.0).gap
    0.0
    """
    posed = problem(X, y, penalty, lam, fit_intercept=fit_intercept, sample_weight=sample_weight)
    return certificate(posed, np.asarray(coef, dtype=np.float64))


def certificate(posed: Problem, coef: "NDArray[np.float64]") -> Certificate:
    """Return the certificate of `coef` for a posed problem."""
    violation = float(np.max(violations(posed, coef), initial=0.0))
    gap = duality_gap(posed, coef) if posed.penalty.convex or posed.lam == 0 else None
    return Certificate(
        violation,
        violation / posed.scale,
        gap,
        None if gap is None else gap / (posed.objective(np.zeros_like(coef)) or 1.0),
        _locally_minimal(posed, coef),
    )


def violations(posed: Problem, coef: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Return the violation of stationarity per coordinate, from the residual y − Xw."""
    descent = posed.descent(coef)
    if posed.lam == 0:
        return np.abs(descent)
    pull = posed.lam * posed.penalty.slope(coef)
    inside = np.abs(descent - pull * np.sign(coef))
    with np.errstate(invalid="ignore"):
        at_zero = np.maximum(np.abs(descent) - posed.lam * posed.penalty.slope_at_zero, 0.0)
    return np.where(coef != 0, inside, at_zero)


def duality_gap(posed: Problem, coef: "NDArray[np.float64]") -> float:
    """Return objective − dual value at the scaled residual θ = s(y − Xw), which is dual feasible."""
    residual = posed.y - posed.X @ coef
    if posed.lam == 0:
        projection = posed.X @ np.linalg.lstsq(posed.X, residual)[0]
        return 0.5 * float(projection @ projection)
    reach = float(np.max(np.abs(posed.X.T @ residual), initial=0.0)) / posed.lam
    steepest = posed.penalty.steepest
    theta = residual * min(1.0, steepest / reach) if reach > 0 else residual
    conjugate = posed.lam * posed.penalty.conjugate(np.minimum(np.abs(posed.X.T @ theta) / posed.lam, steepest))
    # P − D rearranged so that the large terms ½‖y‖² cancel exactly
    difference = 0.5 * float((residual - theta) @ (residual - theta))
    pairing = posed.lam * posed.penalty.value(coef) + conjugate - coef * (posed.X.T @ theta)
    return max(difference + float(pairing.sum()), 0.0)


def _locally_minimal(posed: Problem, coef: "NDArray[np.float64]") -> bool:
    support = np.flatnonzero(coef)
    held = violations(posed, coef)[coef == 0]
    if held.size and float(held.max()) > 1e-9 * posed.scale:
        return False
    if len(support) == 0:
        return True
    hessian = posed.gram[np.ix_(support, support)] + np.diag(posed.lam * posed.penalty.curvature(coef[support]))
    return bool(np.linalg.eigvalsh(hessian)[0] > 0)
