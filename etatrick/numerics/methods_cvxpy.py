"""cvxpy as a method of `solve`: Clarabel finds a point, our own certificate says what it is worth."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from etatrick.numerics.modelling import cvxpy_penalty, solve_tightly
from etatrick.numerics.solution import Solution, Status
from etatrick.numerics.working_set.certify import stand
from etatrick.numerics.working_set.fitting import read_start
from etatrick.numerics.working_set.progress import Progress
from etatrick.numerics.working_set.task import pose_task

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

NEGLIGIBLE: Final = (0.0, 1e-9, 1e-7, 1e-5)  # an interior point leaves zeros at that size, relative to the largest


def fit_cvxpy(
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
    """Minimise Σ v ℓ(y, Xw + b + o) + λ Σ Ω(w_j) with cvxpy and Clarabel, and certify the point it returns.

    The solver's own status plays no part: the status is OPTIMAL only where the duality gap that we recompute from the
    data is within `tol`, and otherwise STALLED, with the gap in the certificate.

    Parameters
    ----------
    X, y, penalty, lam, loss, fit_intercept, sample_weight, offset, tol
        As for :func:`etatrick.numerics.solve`; the penalty convex, in a form that cvxpy accepts.
    start : array_like, shape (d,), optional
        Checked, and the point to return where the solver returns none.

    Returns
    -------
    Solution

    Raises
    ------
    InputError
        As `solve`; also for a penalty that is not convex or has no form for cvxpy.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> found = fit_cvxpy(np.eye(2), [3.0, 0.5], penalties["l1"](k=1), 1.0)
    >>> round(found.objective, 8), found.relative_gap < 1e-7
    (2.625, True)
    """
    import cvxpy as cp

    task = pose_task(X, y, penalty, lam, loss, fit_intercept, sample_weight, offset)
    d = task.design.shape[1]
    first = read_start(start, d)
    w, b = cp.Variable(d), cp.Variable() if task.intercept else 0.0
    charge = lam * cvxpy_penalty(penalty, w) if lam > 0 else 0.0
    terms = task.loss.cvxpy_terms(task.y, task.design.matrix @ w + b + task.offset)
    solve_tightly(cp.Problem(cp.Minimize(task.weights @ terms + charge)))
    progress, ending = Progress(task, tol), Status.STALLED
    progress.record(stand(task, first, task.best_intercept(first)))
    if w.value is not None and np.isfinite(w.value).all():
        point = np.asarray(w.value, dtype=np.float64)
        size = float(np.abs(point).max())
        for share in NEGLIGIBLE:
            kept = np.where(np.abs(point) <= share * size, 0.0, point)
            if progress.record(stand(task, kept, task.best_intercept(kept))) is Status.DIVERGING:
                ending = Status.DIVERGING
    return progress.fit(ending)
