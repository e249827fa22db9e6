"""`fit`: one penalised linear or generalised linear model by the fastest method that fits it."""

from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.losses import Squared
from etatrick.numerics.solution import Solution
from etatrick.numerics.working_set.concave import fit_concave
from etatrick.numerics.working_set.curve import Affine
from etatrick.numerics.working_set.general import fit_general
from etatrick.numerics.working_set.least_squares import fit_least_squares
from etatrick.numerics.working_set.smooth import fit_smooth
from etatrick.numerics.working_set.task import Task, pose_task

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]


def fit(
    X: Any,
    y: "ArrayLike",
    penalty: Any,
    lam: float,
    loss: Any = "squared",
    *,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
    offset: "ArrayLike | None" = None,
    start: "ArrayLike | None" = None,
    tol: float = 1e-12,
) -> Solution:
    r"""Minimise Σ_i v_i ℓ(y_i, x_iᵀw + b + o_i) + λ Σ_j Ω(|w_j|).

    Convex penalties are solved to a relative duality gap of `tol`; others to a stationary point, with the zeros tested,
    that is never worse than `start`.

    Parameters
    ----------
    X : array_like or scipy.sparse array, shape (n, d)
        Used where it is; a sparse one is never made dense or copied.
    y : array_like, shape (n,)
    penalty : Duality, catalogue entry or CompiledPenalty
        Without free parameters, finite at 0 and without a jump there.
    lam : float
        λ ≥ 0, multiplying ΣΩ; the loss is a sum, not a mean (scikit-learn's Lasso has alpha = λ/n).
    loss : str or Loss
        Squared, logistic, Poisson, Gamma or Huber.
    fit_intercept : bool
        Whether to fit b, which is not penalised; otherwise b = 0.
    sample_weight, offset : array_like, shape (n,), optional
        v ≥ 0 and o.
    start : array_like, shape (d,), optional
        Where to start; 0 by default.
    tol : float
        See above; > 0.

    Returns
    -------
    Solution

    Raises
    ------
    InputError
        For bad data, λ < 0, an unknown loss, or a penalty that is −∞ or jumps at 0.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> found = fit(np.eye(3), [3.0, 0.5, -2.0], penalties["l1"](k=1), 1.0)
    >>> found.coef
    array([ 2.,  0., -1.])
    >>> found.status.name, found.relative_gap < 1e-12
    ('OPTIMAL', True)
    """
    check_tol(tol)
    task = pose_task(X, y, penalty, lam, loss, fit_intercept, sample_weight, offset)
    return solve_task(task, read_start(start, task.design.shape[1]), float(tol))


def check_tol(tol: Any) -> None:
    """Raise an error unless the tolerance is a number strictly between 0 and 1."""
    if not (isinstance(tol, Real) and 0 < float(tol) < 1):
        raise InputError(f"tol = {tol}", "must lie strictly between 0 and 1", "leave it at 1e-12")


def read_start(start: Any, d: int) -> "Floats":
    """Return the point to start from, or an InputError that says what is wrong with it."""
    if start is None:
        return np.zeros(d)
    try:
        w = np.array(start, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("start", "must be an array of real numbers", "leave it out to start at 0") from None
    if w.shape != (d,) or not np.isfinite(w).all():
        raise InputError(f"start of shape {w.shape}", f"must be {d} finite numbers", "pass one per column of X")
    return w


def solve_task(task: Task, w: "Floats", tol: float) -> Solution:
    """Choose the method by loss and penalty, and run it from `w` (see :func:`fit`)."""
    curve, b = task.curve, task.null[0]
    if task.lam == 0 or curve.start == 0:
        if not w.any() and not curve.bend(np.zeros(1)).any():  # Ω″(0) = ∞: Newton's method has no step from there
            w = task.null_pull / (task.design.squares(task.curvature(task.null[1])).sum() or 1.0)
        return fit_smooth(task, w, b, tol)
    if isinstance(curve, Affine) and isinstance(task.loss, Squared):
        return fit_least_squares(task, w, tol)
    if curve.convex:
        return fit_general(task, w, b, tol)
    return fit_concave(task, w, tol)
