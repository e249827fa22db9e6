"""`solve` and `path`: penalised least squares to machine precision, with certificates and unlocked zeros."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.certificates import certificate, violations
from etatrick.numerics.newton import polish
from etatrick.numerics.problem import Problem, check_lam, problem
from etatrick.numerics.reweighted import reweighted_ridge, ridge_step
from etatrick.numerics.solution import Path, Solution, Status

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Method = Literal["auto", "reweighted_ridge"]
ROUND: Final = 25  # reweighted steps between two attempts to finish with Newton's method
ROUNDS: Final = 400
NEGLIGIBLE: Final = 1e-7  # relative size below which a coordinate is tried at exactly 0


def solve(
    X: "ArrayLike",
    y: "ArrayLike",
    penalty: Any,
    lam: float,
    loss: Literal["squared"] = "squared",
    method: Method = "auto",
    *,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
    start: "ArrayLike | None" = None,
    tol: float = 1e-12,
) -> Solution:
    """Minimise ½‖y − Xw‖² + λ Σ_j Ω(w_j) by reweighted ridge steps finished by Newton's method.

    For a convex penalty the result is the global optimum; otherwise a stationary point reached by descent from
    `start`, whose zeros were tested: a zero whose gradient exceeds λΩ′(0+) is released, so the reweighted
    iteration's *zero locking* cannot hold it.

    Parameters
    ----------
    X : array_like, shape (n, d)
    y : array_like, shape (n,)
    penalty : Duality or catalogue entry
        Without free parameters, e.g. ``penalties["log_sum"](epsilon=2)``.
    lam : float
        λ ≥ 0, multiplying ΣΩ; the loss is a sum, not a mean (scikit-learn's Lasso has alpha = λ/n).
    loss : {"squared"}
        ½‖y − Xw‖².
    method : {"auto", "reweighted_ridge"}
        "auto" chooses reweighted ridge, the only method for this loss so far.
    fit_intercept : bool
        Whether to fit an unpenalised constant.
    sample_weight : array_like, shape (n,), optional
        Nonnegative weights of the terms of the loss.
    start : array_like, shape (d,), optional
        Where to start; by default the ridge solution with η = 1.
    tol : float
        Relative KKT residual to reach.

    Returns
    -------
    Solution

    Raises
    ------
    InputError
        For bad data, λ < 0, an unknown method or loss, or a penalty without closed form.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> s = solve(np.eye(3), [3.0, 0.5, -2.0], penalties["l1"](k=1), 1.0)
    >>> s.coef.round(12) + 0.0
    array([ 2.,  0., -1.])
    >>> s.certificate.relative_gap < 1e-12
    True
    """
    _check_choice("loss", loss, ("squared",))
    _check_choice("method", method, ("auto", "reweighted_ridge"))
    if not (np.isfinite(tol) and tol > 0):
        raise InputError(f"tol = {tol}", "the tolerance must be > 0", "leave it at 1e-12")
    posed = problem(X, y, penalty, lam, fit_intercept=fit_intercept, sample_weight=sample_weight)
    return _minimise(posed, _start(posed, start), tol)


def path(
    X: "ArrayLike",
    y: "ArrayLike",
    penalty: Any,
    lams: "Sequence[float] | NDArray[np.float64] | None" = None,
    n_lams: int = 100,
    ratio: float = 1e-2,
    *,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
    tol: float = 1e-12,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Path:
    """Solve along a decreasing grid of λ, each from the better of the last solution and a cold start.

    Parameters
    ----------
    X, y, penalty, fit_intercept, sample_weight, tol
        As in :func:`solve`.
    lams : sequence of float, optional
        The grid; by default `n_lams` values from ``lam_max`` = ‖Xᵀy‖_∞/Ω′(0+) down to `ratio` of it.
    n_lams, ratio : int, float
        Length and reach of the default grid.
    progress : callable
        Called with the fraction done.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        As :func:`solve`; also when a default grid is asked of a penalty that never holds a weight at 0.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> p = path(np.eye(2), [3.0, 1.0], penalties["l1"](k=1), n_lams=3)
    >>> p.lams
    array([3.  , 0.3 , 0.03])
    """
    posed = problem(X, y, penalty, 1.0, fit_intercept=fit_intercept, sample_weight=sample_weight)
    grid = _grid(posed, n_lams, ratio) if lams is None else np.asarray(lams, dtype=np.float64)
    for lam in grid:
        check_lam(float(lam))
    solutions: list[Solution] = []
    for index, lam in enumerate(grid):
        here = posed.with_lam(float(lam))
        starts = [_start(here, None), *([solutions[-1].coef] if solutions else [])]
        solutions.append(min((_minimise(here, s, tol) for s in starts), key=lambda s: s.objective))
        progress((index + 1) / len(grid))
    return Path(grid, tuple(solutions))


def lam_max(posed: Problem) -> float:
    """Return the least λ at which 0 is stationary, ‖Xᵀy‖_∞/Ω′(0+): infinite where Ω′(0+) = 0."""
    slope = posed.penalty.slope_at_zero
    return float("inf") if slope == 0 else float(np.max(np.abs(posed.correlation))) / slope


def _minimise(posed: Problem, start: "NDArray[np.float64]", tol: float) -> Solution:
    """Descend by reweighted ridge; every few steps try to finish on the support found so far."""
    coef, history, status = start, [posed.objective(start)], Status.LIMIT
    steps = reweighted_ridge(posed, coef)
    for _ in range(ROUNDS):
        finished = _finish(posed, coef, tol)
        if finished is not None:
            coef, status = finished, Status.CONVERGED
            history.append(posed.objective(coef))
            break
        released = _release(posed, coef, tol)
        if released is not None:
            coef = released
            history.append(posed.objective(coef))
        before = coef
        steps = reweighted_ridge(posed, coef)
        for _ in range(ROUND):
            coef = next(steps)
            history.append(posed.objective(coef))
        if np.array_equal(coef, before):
            status = Status.STALLED
            break
    intercept = posed.y_mean - float(posed.X_mean @ coef)
    return Solution(coef, intercept, posed.objective(coef), certificate(posed, coef), status,
                    len(history) - 1, tuple(history))  # fmt: skip


def _finish(posed: Problem, coef: "NDArray[np.float64]", tol: float) -> "NDArray[np.float64] | None":
    """Return a stationary point on the support of `coef` without its vanishing coordinates, or None."""
    size = np.abs(coef)
    trimmed = coef
    if posed.penalty.slope_at_zero > 0 and posed.lam > 0:
        held = np.abs(posed.descent(coef)) < posed.lam * posed.penalty.slope_at_zero * (1 + 1e-9)
        shrinking = np.abs(ridge_step(posed, posed.penalty.eta_hat(coef))) < 0.999 * size
        small = size <= NEGLIGIBLE * size.max(initial=0.0)
        trimmed = np.where((small | (shrinking & (size < 1e-2 * size.max(initial=0.0)))) & held, 0.0, coef)
    polished = polish(posed, trimmed)
    if polished is None or posed.objective(polished) > posed.objective(coef) * (1 + 1e-14) + 1e-300:
        return None
    return polished if float(np.max(violations(posed, polished), initial=0.0)) <= tol * posed.scale else None


def _release(posed: Problem, coef: "NDArray[np.float64]", tol: float) -> "NDArray[np.float64] | None":
    """Move the zero coordinate with the largest excess gradient off 0 if that lowers the objective."""
    excess = np.where(coef == 0, violations(posed, coef), 0.0)
    worst = int(np.argmax(excess))
    if excess[worst] <= tol * posed.scale:
        return None
    direction = np.zeros_like(coef)
    direction[worst] = np.sign(posed.descent(coef)[worst])
    step = excess[worst] / posed.gram[worst, worst]
    before = posed.objective(coef)
    for _ in range(60):
        moved: NDArray[np.float64] = coef + step * direction
        if posed.objective(moved) < before:
            return moved
        step /= 2
    return None


def _start(posed: Problem, start: "ArrayLike | None") -> "NDArray[np.float64]":
    d = posed.X.shape[1]
    if start is None:
        return ridge_step(posed, np.ones(d))
    coef = np.array(start, dtype=np.float64)
    if coef.shape != (d,) or not np.isfinite(coef).all():
        raise InputError(f"start of shape {coef.shape}", f"must be {d} finite numbers", "pass one per column of X")
    return coef


def _grid(posed: Problem, n_lams: int, ratio: float) -> "NDArray[np.float64]":
    if not (isinstance(n_lams, int) and n_lams >= 1):
        raise InputError(f"n_lams = {n_lams}", "must be an integer ≥ 1", "choose e.g. n_lams=100")
    if not 0 < ratio < 1:
        raise InputError(f"ratio = {ratio}", "must lie strictly between 0 and 1", "choose e.g. ratio=0.01")
    top = lam_max(posed)
    if not np.isfinite(top) or top == 0:
        raise InputError(str(posed.penalty.duality.penalty), "has no λ at which all weights are 0", "pass lams=…")
    return top * np.geomspace(1.0, ratio, n_lams) if n_lams > 1 else np.array([top])


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InputError(f"{name} = {value!r}", f"must be one of {', '.join(choices)}", f"use {name}={choices[0]!r}")
