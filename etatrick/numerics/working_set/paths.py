"""`fit_path` and `largest_lam`: solutions along decreasing λ, each started from the last."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.losses import Squared
from etatrick.numerics.working_set.curve import Affine
from etatrick.numerics.working_set.fitting import solve_task
from etatrick.numerics.working_set.gram_path import fit_gram_path
from etatrick.numerics.working_set.least_squares import centred_gram, fit_least_squares
from etatrick.numerics.working_set.result import Fit, FitPath
from etatrick.numerics.working_set.task import Task, pose_task

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

LARGEST_GRAM = 6000  # columns; beyond, the working set's own Gram matrix is smaller


def fit_path(
    X: Any,
    y: "ArrayLike",
    penalty: Any,
    lams: "Sequence[float] | NDArray[np.float64] | None" = None,
    n_lams: Any = 100,
    ratio: float = 1e-2,
    loss: Any = "squared",
    *,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
    offset: "ArrayLike | None" = None,
    tol: float = 1e-12,
) -> FitPath:
    """Fit along decreasing λ, each from the last solution, with what was computed about X kept.

    Parameters
    ----------
    X, y, penalty, loss, fit_intercept, sample_weight, offset, tol
        As for :func:`etatrick.numerics.working_set.fitting.fit`.
    lams : sequence of float, optional
        By default `n_lams` values from :func:`largest_lam` down to `ratio` of it, in geometric progression.
    n_lams, ratio : int, float
        Length and reach of the default.

    Returns
    -------
    FitPath

    Raises
    ------
    InputError
        As `fit`; also for an empty or increasing `lams`, and where there is no default.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> fit_path(np.eye(2), [3.0, 1.0], penalties["l1"](k=1), n_lams=3).lams
    array([3.  , 0.3 , 0.03])
    """
    task = pose_task(X, y, penalty, 1.0, loss, fit_intercept, sample_weight, offset)
    grid = _default(task, n_lams, ratio) if lams is None else _grid(lams)
    return FitPath(grid, _fits(task, grid, tol))


def _fits(task: Task, grid: "NDArray[np.float64]", tol: float) -> tuple[Fit, ...]:
    n, d = task.design.shape
    lasso = isinstance(task.curve, Affine) and task.curve.start > 0 and isinstance(task.loss, Squared)
    if lasso and (grid > 0).all():
        if d <= min(n, LARGEST_GRAM):
            return fit_gram_path(task, grid, tol)
        cache, w, kept = centred_gram(task), np.zeros(d), []
        for lam in grid:
            kept.append(fit_least_squares(task.at(float(lam)), w, tol, cache))
            w = kept[-1].coef
        return tuple(kept)
    fits: list[Fit] = []
    for lam in grid:
        fits.append(solve_task(task.at(float(lam)), fits[-1].coef if fits else np.zeros(d), tol))
    return tuple(fits)


def largest_lam(
    X: Any,
    y: "ArrayLike",
    penalty: Any,
    loss: Any = "squared",
    *,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
    offset: "ArrayLike | None" = None,
) -> float:
    """Return the least λ at which w = 0 is stationary: ‖Xᵀ(vℓ′)‖_∞/Ω′(0+) at the model without X.

    It is ∞ where Ω′(0+) = 0, since no λ holds a weight at 0, and 0 where Ω′(0+) = ∞, since every λ > 0 does. For a
    convex penalty, 0 is the solution exactly for the λ at least as large.

    Parameters
    ----------
    X, y, penalty, loss, fit_intercept, sample_weight, offset
        As for :func:`etatrick.numerics.working_set.fitting.fit`.

    Raises
    ------
    InputError
        As `fit`.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> largest_lam([[1.0], [-1.0]], [1, 0], penalties["l1"](k=1), "logistic", fit_intercept=True)
    1.0
    """
    return _largest(pose_task(X, y, penalty, 1.0, loss, fit_intercept, sample_weight, offset))


def _largest(task: Task) -> float:
    top = float(np.abs(task.null_pull).max())
    return np.inf if task.curve.start == 0 else top / task.curve.start


def _default(task: Task, n_lams: Any, ratio: float) -> "NDArray[np.float64]":
    if not (isinstance(n_lams, int | np.integer) and n_lams >= 1):
        raise InputError(f"n_lams = {n_lams}", "must be an integer ≥ 1", "choose e.g. n_lams=100")
    if not (np.ndim(ratio) == 0 and 0 < ratio < 1):
        raise InputError(f"ratio = {ratio}", "must lie strictly between 0 and 1", "choose e.g. ratio=0.01")
    top = _largest(task)
    if not 0 < top < np.inf:
        raise InputError(f"slope {task.curve.start:g} of the penalty at 0", "gives no λ at which a path starts",
                         "pass lams=…")  # fmt: skip
    return top * np.geomspace(1.0, ratio, n_lams) if n_lams > 1 else np.array([top])


def _grid(lams: Any) -> "NDArray[np.float64]":
    try:
        grid = np.array(lams, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("lams", "must be numbers", "pass e.g. [1.0, 0.1]") from None
    if grid.ndim != 1 or len(grid) == 0 or not np.isfinite(grid).all() or (grid < 0).any():
        raise InputError(f"lams of shape {grid.shape}", "must be a list of finite numbers ≥ 0", "pass e.g. [1.0, 0.1]")
    if (np.diff(grid) > 0).any():
        raise InputError("lams", "must not increase, each fit starts from the last", "sort them in descending order")
    return grid
