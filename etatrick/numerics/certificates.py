"""Certificates that anyone can recompute from the data: duality gap (convex) and KKT residual (any penalty)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.problem import JointProblem, Problem, finite, pose

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

SHRINK = (1.0, 1 - 1e-6, 0.999, 0.9, 0.5)


@final
@dataclass(frozen=True)
class Certificate:
    """How close a point is to stationarity and, for convex problems, to the optimum.

    Parameters
    ----------
    kkt : float
        Largest violation of the stationarity conditions: ``|x_jᵀr − λΩ′(|w_j|)sgn(w_j)|`` where w_j ≠ 0 and
        ``max(|x_jᵀr| − λΩ′(0+), 0)`` where w_j = 0, with r = y − Xw. For a penalty with joint scales,
        λ‖w − x‖_∞ with x the proximal map of Ω at w + z, z = Xᵀr/λ: a point that close to w has a subgradient that
        close to z.
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
    posed = pose(X, y, penalty, lam, fit_intercept=fit_intercept, sample_weight=sample_weight)
    point = finite("coef", coef)
    if point.shape != (posed.X.shape[1],):
        rule = f"must be {posed.X.shape[1]} finite numbers"
        raise InputError(f"coef of shape {point.shape}", rule, "pass one per column of X")
    return certificate(posed, point)


def certificate(posed: Problem | JointProblem, coef: "NDArray[np.float64]") -> Certificate:
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


def violations(posed: Problem | JointProblem, coef: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Return the violation of stationarity per coordinate, from the residual y − Xw."""
    descent = posed.descent(coef)
    if posed.lam == 0:
        return np.abs(descent)
    if isinstance(posed, JointProblem):
        return posed.lam * np.abs(coef - posed.penalty.prox(coef + descent / posed.lam, 1.0))
    pull = posed.lam * np.where(coef != 0, posed.penalty.slope(coef), 0.0)
    inside = np.abs(descent - pull * np.sign(coef))
    with np.errstate(invalid="ignore"):
        at_zero = np.maximum(np.abs(descent) - posed.lam * posed.penalty.slope_at_zero, 0.0)
    return np.where(coef != 0, inside, at_zero)


def duality_gap(posed: Problem | JointProblem, coef: "NDArray[np.float64]") -> float:
    """Return objective − dual value at the scaled residual θ = s(y − Xw), which is dual feasible."""
    residual = posed.y - posed.X @ coef
    if posed.lam == 0:
        projection = posed.X @ np.linalg.lstsq(posed.X, residual)[0]
        return 0.5 * float(projection @ projection)
    if isinstance(posed, JointProblem):
        return _joint_gap(posed, coef, residual)
    reach = float(np.max(np.abs(posed.X.T @ residual), initial=0.0)) / posed.lam
    steepest = posed.penalty.steepest
    scale = min(1.0, steepest / reach) if reach > 0 else 1.0
    # Ω* may be +∞ at sup Ω′ itself: then a point inside
    return min(_gap_at(posed, coef, residual, scale * shrink) for shrink in ((1.0,) if scale == 1.0 else SHRINK))


def _joint_gap(posed: JointProblem, coef: "NDArray[np.float64]", residual: "NDArray[np.float64]") -> float:
    """Return P − D at θ = y − Xw, feasible because Ω* is finite: λ[Ω(w) + Ω*(z) − ⟨z, w⟩], z = Xᵀθ/λ."""
    pull = posed.X.T @ residual
    charge, conjugate = posed.penalty.total(coef), posed.penalty.conjugate(pull / posed.lam)
    gap = posed.lam * (charge + conjugate) - float(coef @ pull)
    if gap < -1e-9 * (posed.lam * (charge + conjugate) + 1e-300):
        raise ArithmeticError(
            f"the dual value exceeds the objective: the conjugate of {posed.penalty.duality} is wrong"
        )
    return max(gap, 0.0)


def _gap_at(posed: Problem, coef: "NDArray[np.float64]", residual: "NDArray[np.float64]", scale: float) -> float:
    theta = scale * residual
    pull = posed.X.T @ theta
    at = np.minimum(np.abs(pull) / posed.lam, posed.penalty.steepest)
    # P − D rearranged so that the large terms ½‖y‖² cancel exactly; Fenchel–Young makes every term ≥ 0
    charges, conjugate = posed.lam * posed.penalty.value(coef), posed.lam * posed.penalty.conjugate(at)
    pairing = charges + conjugate - coef * pull
    rounding = 1e-9 * (np.abs(charges) + np.abs(coef * pull)).sum() + 1e-300
    if float(pairing.sum()) < -rounding:
        raise ArithmeticError(
            f"the dual value exceeds the objective: the conjugate of {posed.penalty.duality.penalty} is wrong"
        )
    return 0.5 * float((residual - theta) @ (residual - theta)) + max(float(pairing.sum()), 0.0)


def _locally_minimal(posed: Problem | JointProblem, coef: "NDArray[np.float64]") -> bool:
    if float(np.max(violations(posed, coef), initial=0.0)) > 1e-9 * posed.scale:
        return False
    if isinstance(posed, JointProblem) or posed.penalty.convex or posed.lam == 0:
        return True
    held = np.abs(posed.descent(coef)) < posed.lam * posed.penalty.slope_at_zero * (1 - 1e-9)
    moving = np.flatnonzero((coef != 0) | ~held)
    if len(moving) == 0:
        return True
    bend = np.where(coef != 0, posed.penalty.curvature(coef), posed.penalty.curvature_at_zero)[moving]
    hessian = posed.gram[np.ix_(moving, moving)] + np.diag(posed.lam * bend)
    with np.errstate(invalid="ignore"):
        root = np.sqrt(np.maximum(np.diag(hessian), 1e-300))
    return bool(np.linalg.eigvalsh(hessian / np.outer(root, root))[0] > 0)
