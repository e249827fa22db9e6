"""`fit_outputs_path` and `largest_outputs_lam`: models of several outputs along decreasing λ."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.outputs.arrangement import ByEntries, ByRows
from etatrick.numerics.outputs.columnwise import fit_columns_along
from etatrick.numerics.outputs.kept_columns import KeptColumns
from etatrick.numerics.outputs.outcome import OutputsFit, OutputsPath
from etatrick.numerics.outputs.outputs_fit import solve_outputs
from etatrick.numerics.outputs.posing import OutputsTask, pose_outputs
from etatrick.numerics.outputs.responses import SquaredErrors
from etatrick.numerics.outputs.row_squares import fit_row_squares
from etatrick.numerics.working_set.fitting import check_tol

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]


def fit_outputs_path(
    X: Any,
    Y: "ArrayLike",
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
    progress: Callable[[float], None] = lambda fraction: None,
) -> OutputsPath:
    """Fit along decreasing λ, each from the last solution, with what was computed about X kept.

    Where the penalty is not convex, each is the better of that and one from 0.

    Parameters
    ----------
    X, Y, penalty, loss, fit_intercept, sample_weight, offset, tol
        As for :func:`etatrick.numerics.outputs.fit_outputs`.
    lams : sequence of float, optional
        By default `n_lams` values from :func:`largest_outputs_lam` down to `ratio` of it, in geometric progression.
    n_lams, ratio : int, float
        Length and reach of the default.
    progress : callable
        Called with the fraction done; once where outputs are fitted one by one.

    Returns
    -------
    OutputsPath

    Raises
    ------
    InputError
        As `fit_outputs`; also for an empty or increasing `lams`, and where there is no default.

    Examples
    --------
    >>> from etatrick.numerics.outputs import Rows
    >>> from etatrick.theory import penalties
    >>> fit_outputs_path(np.eye(2), [[3.0, 4.0], [1.0, 0.0]], Rows(penalties["l1"](k=1)), n_lams=2).lams
    array([5.  , 0.05])
    """
    check_tol(tol)
    task, classes = pose_outputs(X, Y, penalty, 1.0, loss, fit_intercept, sample_weight, offset)
    grid = _default(task, n_lams, ratio) if lams is None else _grid(lams)
    return OutputsPath(grid, tuple(replace(fit, classes=classes) for fit in _along(task, grid, float(tol), progress)))


def _along(
    task: OutputsTask, grid: "Floats", tol: float, progress: Callable[[float], None]
) -> "tuple[OutputsFit, ...]":
    squared = isinstance(task.response, SquaredErrors)
    if squared and isinstance(task.arrangement, ByEntries):
        found = fit_columns_along(task, grid, tol)
        progress(1.0)
        return found
    curve = task.arrangement.curve
    rows = squared and isinstance(task.arrangement, ByRows) and curve.convex and curve.start > 0
    cache = KeptColumns(task) if rows else None
    fits: list[OutputsFit] = []
    for lam in grid:
        W = fits[-1].coef if fits else np.zeros(task.null_pull.shape)
        here = task.at(float(lam))
        if cache is not None and lam > 0:
            fits.append(fit_row_squares(here, W, tol, cache))
        else:
            starts = [W] if curve.convex or not W.any() else [W, np.zeros_like(W)]
            fits.append(min((solve_outputs(here, one, tol) for one in starts), key=lambda fit: fit.objective))
        progress(len(fits) / len(grid))
    return tuple(fits)


def largest_outputs_lam(
    X: Any,
    Y: "ArrayLike",
    penalty: Any,
    loss: Any = "squared",
    *,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
    offset: "ArrayLike | None" = None,
) -> float:
    """Return the least λ at which W = 0 is stationary: the largest atom of Xᵀ(v∇ℓ) at the model without X, over Ω′(0+).

    Atoms are entries, or rows and their lengths for ``Rows(penalty)``. It is ∞ where Ω′(0+) = 0, since no λ holds a
    weight at 0, and 0 where Ω′(0+) = ∞. For a convex penalty, 0 is a solution exactly for the λ at least as large.

    Parameters
    ----------
    X, Y, penalty, loss, fit_intercept, sample_weight, offset
        As for :func:`etatrick.numerics.outputs.fit_outputs`.

    Raises
    ------
    InputError
        As `fit_outputs`.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> largest_outputs_lam(np.eye(2), [[3.0, 4.0], [1.0, 0.0]], penalties["l1"](k=1))
    4.0
    """
    return _largest(pose_outputs(X, Y, penalty, 1.0, loss, fit_intercept, sample_weight, offset)[0])


def _largest(task: OutputsTask) -> float:
    start = task.arrangement.curve.start
    return np.inf if start == 0 else float(task.arrangement.sizes(task.null_pull).max()) / start


def _default(task: OutputsTask, n_lams: Any, ratio: float) -> "Floats":
    if not (isinstance(n_lams, int | np.integer) and n_lams >= 1):
        raise InputError(f"n_lams = {n_lams}", "must be an integer ≥ 1", "choose e.g. n_lams=100")
    if not (np.ndim(ratio) == 0 and 0 < ratio < 1):
        raise InputError(f"ratio = {ratio}", "must lie strictly between 0 and 1", "choose e.g. ratio=0.01")
    top = _largest(task)
    if not 0 < top < np.inf:
        raise InputError(f"slope {task.arrangement.curve.start:g} of the penalty at 0",
                         "gives no λ at which a path starts", "pass lams=…")  # fmt: skip
    return top * np.geomspace(1.0, ratio, n_lams) if n_lams > 1 else np.array([top])


def _grid(lams: Any) -> "Floats":
    try:
        grid = np.array(lams, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("lams", "must be numbers", "pass e.g. [1.0, 0.1]") from None
    if grid.ndim != 1 or len(grid) == 0 or not np.isfinite(grid).all() or (grid < 0).any():
        raise InputError(f"lams of shape {grid.shape}", "must be a list of finite numbers ≥ 0", "pass e.g. [1.0, 0.1]")
    if (np.diff(grid) > 0).any():
        raise InputError("lams", "must not increase, each fit starts from the last", "sort them in descending order")
    return grid
