"""`fit_path` and `largest_lam`: solutions along decreasing λ, each started from the last."""

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.losses import Squared
from etatrick.numerics.solution import Path, Solution
from etatrick.numerics.working_set.curve import Affine, read_prox_curve
from etatrick.numerics.working_set.fitting import solve_task
from etatrick.numerics.working_set.gram_path import fit_gram_path
from etatrick.numerics.working_set.least_squares import centred_gram, fit_least_squares
from etatrick.numerics.working_set.task import Task, pose_task

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

LARGEST_GRAM: Final = 6000  # columns; beyond, the working set's own Gram matrix is smaller
SHRUNK: Final = 10.0  # a path of a smooth penalty starts where no direction keeps more than 1/11 of its fit


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
    progress: Callable[[float], None] = lambda fraction: None,
) -> Path:
    """Fit along decreasing λ, each from the last solution, with what was computed about X kept.

    Where the penalty is not convex, each is the lower of a fit from the last solution and one from 0.

    Parameters
    ----------
    X, y, penalty, loss, fit_intercept, sample_weight, offset, tol
        As for :func:`etatrick.numerics.working_set.fitting.fit`.
    lams : sequence of float, optional
        By default `n_lams` values from :func:`largest_lam` down to `ratio` of it, in geometric progression.
    n_lams, ratio : int, float
        Length and reach of the default.
    progress : callable
        Called with the fraction done, now and then.

    Returns
    -------
    Path

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
    grid = geometric(path_start(task), n_lams, ratio) if lams is None else read_grid(lams)
    if (np.diff(grid) > 0).any():
        raise InputError("lams", "must not increase, each fit starts from the last", "sort them in descending order")
    return Path(grid, _fits(task, grid, tol, progress))


def _fits(task: Task, grid: "Floats", tol: float, progress: Callable[[float], None]) -> tuple[Solution, ...]:
    n, d = task.design.shape
    lasso = isinstance(task.curve, Affine) and task.curve.start > 0 and isinstance(task.loss, Squared)
    lasso = lasso and bool((grid > 0).all())
    if lasso and d <= min(n, LARGEST_GRAM):
        found = fit_gram_path(task, grid, tol)
        progress(1.0)
        return found
    cache, zeros, fits = centred_gram(task) if lasso else None, np.zeros(d), list[Solution]()
    again = not task.curve.convex and np.isfinite(task.curve.start)  # from 0; where Ω′(0+) = ∞ every fit tries that
    for lam in grid:
        here, warm = task.at(float(lam)), fits[-1].coef if fits else zeros
        if lasso:
            fits.append(fit_least_squares(here, warm, tol, cache))
        else:
            starts = [warm, zeros] if again and warm.any() else [warm]
            fits.append(min((solve_task(here, start, tol) for start in starts), key=lambda fit: fit.objective))
        progress(len(fits) / len(grid))
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
    """Return where a path starts: the least λ at which w = 0 is stationary, ‖Xᵀ(vℓ′)‖_∞/Ω′(0+) at the model without X.

    For a convex penalty, 0 is the solution exactly for the λ at least as large. Two kinds of penalties have no such λ.
    Where Ω′(0+) = ∞ every λ > 0 holds 0; then the start is where the first weight alone pays for its charge in the
    quadratic model at 0. Where Ω′(0+) = 0 none does; then it is where no direction keeps more than 1/11 of its fit.

    Parameters
    ----------
    X, y, penalty, loss, fit_intercept, sample_weight, offset
        As for :func:`etatrick.numerics.working_set.fitting.fit`.

    Returns
    -------
    float
        0 where y has nothing that X could explain.

    Raises
    ------
    InputError
        As `fit`; also for a penalty that is flat where a path would start.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> largest_lam([[1.0], [-1.0]], [1, 0], penalties["l1"](k=1), "logistic", fit_intercept=True)
    1.0
    """
    return path_start(pose_task(X, y, read_prox_curve(penalty), 1.0, loss, fit_intercept, sample_weight, offset))


def path_start(task: Task) -> float:
    """Return where a path starts (see :func:`largest_lam`)."""
    start, pull = task.curve.start, np.abs(task.null_pull)
    if not pull.any():
        return 0.0
    if 0 < start < np.inf:
        return float(pull.max()) / start
    bends = task.curvature(task.null[1])
    squares = task.design.squares(bends)
    if task.intercept:
        squares = squares - task.design.correlate(bends) ** 2 / bends.sum()
    moved = pull > 0
    c, s = pull[moved], np.maximum(squares[moved], 1e-300)
    if start > 0:  # sup over w of (cw − ½sw²)/Ω(w)
        w = (c / s)[:, None] * np.geomspace(1e-6, 2.0, 400)
        return float(np.max((c[:, None] * w - 0.5 * s[:, None] * w * w) / task.curve.value(w)))
    # S(1 + SHRUNK)w = c is the fit shrunk in the steepest direction, which S = Σ s bounds from above
    slope = task.curve.slope(c / (float(s.sum()) * (1 + SHRUNK)))
    with np.errstate(divide="ignore"):
        top = float(np.max(SHRUNK / (1 + SHRUNK) * c / slope))
    if not np.isfinite(top):
        raise InputError("lams", "this penalty has no natural largest λ", "pass the values of λ")
    return top


def geometric(top: float, n_lams: Any, ratio: Any) -> "Floats":
    """Return `n_lams` values of λ from `top` down to `ratio` times it, in equal steps of log λ.

    Raises
    ------
    InputError
        If `n_lams` is no integer ≥ 1, `ratio` does not lie strictly between 0 and 1, or `top` is not finite and > 0.

    Examples
    --------
    >>> geometric(2.0, 3, 0.01)
    array([2.  , 0.2 , 0.02])
    """
    if not (isinstance(n_lams, Integral) and int(n_lams) >= 1):
        raise InputError(f"n_lams = {n_lams}", "must be an integer ≥ 1", "choose e.g. n_lams=100")
    if not (isinstance(ratio, Real) and 0 < float(ratio) < 1):
        raise InputError(f"ratio = {ratio}", "must lie strictly between 0 and 1", "choose e.g. ratio=0.01")
    if not 0 < top < np.inf:
        rule = "has no default, as there is no λ at which a path starts: X explains nothing of y, or every λ gives 0"
        raise InputError("lams", rule, "pass lams=…")
    return np.asarray(top * np.geomspace(1.0, float(ratio), int(n_lams)), dtype=np.float64)


def read_grid(lams: Any) -> "Floats":
    """Return values of λ as they are, or an InputError that says what is wrong with them.

    Examples
    --------
    >>> read_grid([1, 0.5])
    array([1. , 0.5])
    """
    try:
        grid = np.array(lams, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("lams", "must be a row of finite numbers ≥ 0", "pass e.g. [1.0, 0.1]") from None
    if grid.ndim != 1 or len(grid) == 0:
        raise InputError(f"lams of shape {grid.shape}", "must be a row of finite numbers ≥ 0", "pass e.g. [1.0, 0.1]")
    if not np.isfinite(grid).all() or (grid < 0).any():
        worst = grid[~(np.isfinite(grid) & (grid >= 0))][0]
        raise InputError(f"lams with {worst:g}", "must be a row of finite numbers ≥ 0", "leave it out for a default")
    return grid
