"""Certificates that anyone can recompute from the data: duality gap (convex) and KKT residual (any penalty)."""

from typing import TYPE_CHECKING, Any

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.groups.certify import stand as stand_in_groups
from etatrick.numerics.groups.posing import pose_groups
from etatrick.numerics.groups.record import Record
from etatrick.numerics.methods import kind_of, need_squared
from etatrick.numerics.problem import JointProblem, finite, pose
from etatrick.numerics.solution import Certificate, Status
from etatrick.numerics.sparse_bayes import sparse_bayes_certificate
from etatrick.numerics.vector_problem import VectorProblem, pose_vector, vector_certificate
from etatrick.numerics.working_set.certify import LOCAL, certificate, stand
from etatrick.numerics.working_set.curve import read_prox_curve
from etatrick.numerics.working_set.task import pose_task
from etatrick.theory.vector.sparse_bayes import SparseBayes

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from etatrick.numerics.groups.posing import GroupTask


def certify(
    X: Any,
    y: "ArrayLike",
    coef: "ArrayLike",
    penalty: Any,
    lam: float,
    loss: Any = "squared",
    *,
    intercept: float | None = None,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
    offset: "ArrayLike | None" = None,
) -> Certificate:
    """Recompute the certificate of a point from the data alone, whichever solver it comes from.

    Parameters
    ----------
    X, y, penalty, lam, loss, fit_intercept, sample_weight, offset
        As in :func:`etatrick.numerics.solve`.
    coef : array_like, shape (d,)
        The weights to judge.
    intercept : float, optional
        The intercept to judge, which needs ``fit_intercept=True``; by default the best one for these weights.

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
    >>> certify([[1.0], [-1.0]], [1, 0], [0.0], penalties["l1"](k=1), 1.0, "logistic", fit_intercept=True).gap
    0.0
    """
    if intercept is not None and not (np.ndim(intercept) == 0 and np.isreal(intercept) and np.isfinite(intercept)):
        raise InputError(f"intercept = {intercept}", "must be a finite number", "leave it out for the best one")
    if intercept and not fit_intercept:
        raise InputError(f"intercept = {intercept}", "stands in a model without one", "pass fit_intercept=True")
    kind = kind_of(penalty)
    if kind == "groups":
        problem = pose_groups(X, y, penalty, lam, loss, fit_intercept, sample_weight, offset)
        return _group_certificate(problem, _point(coef, len(problem.order)), intercept)
    if kind in ("joint", "vector"):
        need_squared(loss)
        posing = pose if kind == "joint" else pose_vector
        posed = posing(X, y, penalty, lam, fit_intercept=fit_intercept, sample_weight=sample_weight, offset=offset)
        point = _point(coef, posed.X.shape[1])
        best = posed.y_mean - float(posed.X_mean @ point)
        if intercept is not None and abs(intercept - best) > 1e-9 * (abs(best) + abs(posed.y_mean)):
            raise InputError(f"intercept = {intercept}", f"is not the best one, {best}", "leave it out")
        if isinstance(posed, VectorProblem) and isinstance(penalty, SparseBayes):
            return sparse_bayes_certificate(posed.X, posed.y, penalty, lam, point)
        if isinstance(posed, VectorProblem):
            return vector_certificate(posed, point)
        assert isinstance(posed, JointProblem)
        return joint_certificate(posed, point)
    task = pose_task(X, y, read_prox_curve(penalty), lam, loss, fit_intercept, sample_weight, offset)
    w = _point(coef, task.design.shape[1])
    b = task.best_intercept(w) if intercept is None else float(intercept)
    return certificate(task, stand(task, w, b))


def _group_certificate(problem: "GroupTask", coef: "NDArray[np.float64]", intercept: float | None) -> Certificate:
    task = problem.task
    b = task.best_intercept(coef) if intercept is None else float(intercept)
    record = Record(problem, LOCAL)
    record.note(stand_in_groups(problem, coef[problem.order], b, task.predictor(coef, b)))
    return record.fit(Status.STALLED).certificate


def joint_certificate(posed: JointProblem, coef: "NDArray[np.float64]") -> Certificate:
    """Return the certificate of `coef` for a penalty with joint scales."""
    violation = float(np.max(joint_violations(posed, coef), initial=0.0))
    gap = joint_gap(posed, coef) if posed.penalty.convex or posed.lam == 0 else None
    relative = None if gap is None else gap / (posed.objective(np.zeros_like(coef)) or 1.0)
    return Certificate(violation, violation / posed.scale, gap, relative, violation <= 1e-9 * posed.scale)


def joint_violations(posed: JointProblem, coef: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Return the violation of stationarity per coordinate, from the residual y − Xw."""
    descent = posed.descent(coef)
    if posed.lam == 0:
        return np.abs(descent)
    return posed.lam * np.abs(coef - posed.penalty.prox(coef + descent / posed.lam, 1.0))


def joint_gap(posed: JointProblem, coef: "NDArray[np.float64]") -> float:
    """Return P − D at θ = y − Xw, feasible because Ω* is finite: λ[Ω(w) + Ω*(z) − ⟨z, w⟩], z = Xᵀθ/λ."""
    residual = posed.y - posed.X @ coef
    if posed.lam == 0:
        projection = posed.X @ np.linalg.lstsq(posed.X, residual)[0]
        return 0.5 * float(projection @ projection)
    pull = posed.X.T @ residual
    charge, conjugate = posed.penalty.total(coef), posed.penalty.conjugate(pull / posed.lam)
    gap = posed.lam * (charge + conjugate) - float(coef @ pull)
    if gap < -1e-9 * (posed.lam * (charge + conjugate) + 1e-300):
        raise ArithmeticError(
            f"the dual value exceeds the objective: the conjugate of {posed.penalty.duality} is wrong"
        )
    return max(gap, 0.0)


def _point(coef: "ArrayLike", d: int) -> "NDArray[np.float64]":
    point = finite("coef", coef)
    if point.shape != (d,):
        raise InputError(f"coef of shape {point.shape}", f"must be {d} finite numbers", "pass one per column of X")
    return point
