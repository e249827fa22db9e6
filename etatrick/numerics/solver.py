"""`solve` and `path`: penalised least squares to machine precision, with certificates and unlocked zeros."""

from collections.abc import Callable, Iterator, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.certificates import certificate, violations
from etatrick.numerics.compiled import CompiledPenalty
from etatrick.numerics.joint_solver import AUTO, REWEIGHTED, minimise_jointly
from etatrick.numerics.losses import Squared, loss_named
from etatrick.numerics.newton import polish
from etatrick.numerics.problem import JointProblem, LeastSquares, Problem, check_lam, finite, pose
from etatrick.numerics.reweighted import reweighted_ridge, ridge_step
from etatrick.numerics.solution import Path, Solution, Status

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Method = Literal["auto", "reweighted_ridge", "working_set"]
ROUND: Final = 25  # reweighted steps between two attempts to finish with Newton's method
ROUNDS: Final = 400
LEFT: Final = 10.0  # where paths of squared norms start, times N*(Xᵀy)²/‖y‖²
NEGLIGIBLE: Final = 1e-7  # relative size below which a coordinate is tried at exactly 0


def solve(
    X: "ArrayLike",
    y: "ArrayLike",
    penalty: Any,
    lam: float,
    loss: Any = "squared",
    method: Method = "auto",
    *,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
    start: "ArrayLike | None" = None,
    tol: float = 1e-12,
) -> Solution:
    """Minimise ½‖y − Xw‖² + λ Σ_j Ω(w_j), or λΩ(w), by first-order steps finished by Newton's method.

    For a convex penalty the result is the global optimum; otherwise a stationary point reached by descent from
    `start`, whose zeros were tested: a zero whose gradient exceeds λΩ′(0+) is released, so the reweighted
    iteration's *zero locking* cannot hold it.

    Parameters
    ----------
    X : array_like, shape (n, d)
    y : array_like, shape (n,)
    penalty : Duality, catalogue entry or VectorDuality
        Without free parameters, e.g. ``penalties["log_sum"](epsilon=2)``; or with scales that share a budget:
        ``KSupport(k=3)``, ``RankWeights(omega)``, ``GroupKSupport(groups, k)``, halves of squared norms.
    lam : float
        λ ≥ 0, multiplying ΣΩ; the loss is a sum, not a mean (scikit-learn's Lasso has alpha = λ/n).
    loss : str or Loss
        ½‖y − Xw‖² by default; any other of :mod:`etatrick.numerics.losses` takes its place.
    method : {"auto", "reweighted_ridge", "working_set"}
        "auto" chooses reweighted ridge, for joint scales accelerated proximal gradient, for other losses the working
        set, which is also the fastest for large sparse solutions.
    fit_intercept : bool
        Whether to fit an unpenalised constant.
    sample_weight : array_like, shape (n,), optional
        Nonnegative weights of the terms of the loss.
    start : array_like, shape (d,), optional
        Where to start; by default the ridge solution with η = 1, or 0 for accelerated proximal gradient.
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
    family = loss_named(loss)
    if method not in get_args(Method):
        raise InputError(f"method = {method!r}", f"must be one of {', '.join(get_args(Method))}", "use method='auto'")
    if not (_is_number(tol) and tol > 0):
        raise InputError(f"tol = {tol}", "the tolerance must be > 0", "leave it at 1e-12")
    if method == "working_set" or not isinstance(family, Squared):
        if method == "reweighted_ridge":
            raise InputError(f"loss = {loss!r}", "reweighted ridge needs the squared loss", "use method='auto'")
        from etatrick.numerics.generalized import solve_generalized

        return solve_generalized(X, y, penalty, lam, family, fit_intercept=fit_intercept, sample_weight=sample_weight,
                                 start=start, tol=tol)  # fmt: skip
    posed = pose(X, y, penalty, lam, fit_intercept=fit_intercept, sample_weight=sample_weight)
    if isinstance(posed, JointProblem):
        phases = AUTO if method == "auto" else REWEIGHTED
        first = np.zeros(posed.X.shape[1]) if start is None and method == "auto" else _start(posed, start)
        return minimise_jointly(posed, first, tol, phases)
    _check_penalty(posed.penalty)
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
        The grid; by default `n_lams` values from :func:`lam_max` down to `ratio` of it.
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
    posed = pose(X, y, penalty, 1.0, fit_intercept=fit_intercept, sample_weight=sample_weight)
    if isinstance(posed, Problem):
        _check_penalty(posed.penalty)
    grid = _grid(posed, n_lams, ratio) if lams is None else finite("lams", lams, 1)
    if len(grid) == 0:
        raise InputError("lams of length 0", "needs at least one λ", "leave it out for the default grid")
    for lam in grid:
        check_lam(float(lam))
    solutions: list[Solution] = []
    for index, lam in enumerate(grid):
        warm = [solutions[-1].coef] if solutions else []
        solutions.append(_along(posed.with_lam(float(lam)), warm, tol))
        progress((index + 1) / len(grid))
    return Path(grid, tuple(solutions))


def lam_max(posed: Problem | JointProblem) -> float:
    """Return where a path starts: the least λ at which 0 is stationary, ‖Xᵀy‖_∞/Ω′(0+), infinite where Ω′(0+) = 0.

    Half a squared norm N holds the weights at 0 for no λ; its paths start where it leaves at most a tenth of ½‖y‖² to
    be explained, since the minimum is at least ½‖y‖² − N*(Xᵀy)²/(2λ): at λ = 10 N*(Xᵀy)²/‖y‖².
    """
    if isinstance(posed, JointProblem):
        energy = float(posed.y @ posed.y)
        return LEFT * 2 * posed.penalty.conjugate(posed.correlation) / energy if energy > 0 else 0.0
    slope = posed.penalty.slope_at_zero
    return float("inf") if slope == 0 else float(np.max(np.abs(posed.correlation))) / slope


def _along(posed: Problem | JointProblem, warm: "list[NDArray[np.float64]]", tol: float) -> Solution:
    """Solve from the last solution of a path, and where the penalty is not convex from a cold start too."""
    if isinstance(posed, JointProblem):
        return minimise_jointly(posed, warm[0] if warm else np.zeros(posed.X.shape[1]), tol)
    starts = warm if warm and posed.penalty.convex else [_start(posed, None), *warm]
    return min((_minimise(posed, s, tol) for s in starts), key=lambda s: s.objective)


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
        if released is None and np.array_equal(coef, before):
            status = Status.STALLED
            break
    if float(np.max(violations(posed, coef), initial=0.0)) <= tol * posed.scale:
        status = Status.CONVERGED
    intercept = posed.y_mean - float(posed.X_mean @ coef)
    return Solution(coef, intercept, posed.objective(coef), certificate(posed, coef), status,
                    len(history) - 1, tuple(history))  # fmt: skip


def _finish(posed: Problem, coef: "NDArray[np.float64]", tol: float) -> "NDArray[np.float64] | None":
    """Return a stationary point on the support of `coef` without its vanishing coordinates, or None."""
    ceiling = posed.objective(coef) * (1 + 1e-14) + 1e-300
    for trimmed in _trimmed(posed, coef):
        for point in (polish(posed, trimmed), trimmed):
            if point is None or posed.objective(point) > ceiling:
                continue
            if float(np.max(violations(posed, point), initial=0.0)) <= tol * posed.scale:
                return point
    return None


def _trimmed(posed: Problem, coef: "NDArray[np.float64]") -> "Iterator[NDArray[np.float64]]":
    """Yield guesses of the support: without tiny weights; then without those whose own axis has its minimum at 0."""
    hold = posed.lam * posed.penalty.slope_at_zero * (1 + 1e-9) if posed.lam > 0 else 0.0
    if hold == 0:
        yield coef
        return
    size, descent = np.abs(coef), posed.descent(coef)
    shrinking = np.abs(ridge_step(posed, posed.penalty.eta_hat(coef))) < 0.999 * size
    squares = np.maximum(np.diag(posed.gram), 1e-300)
    largest = max(size.max(initial=0.0), 1e-6 * float(np.max(np.abs(posed.correlation) / squares * (squares > 1e-300))))
    small = (size <= NEGLIGIBLE * largest) | (shrinking & (size < 1e-2 * largest))
    yield np.where(small & (np.abs(descent) < hold), 0.0, coef)
    if posed.penalty.convex:
        yield np.where(np.abs(descent + np.diag(posed.gram) * coef) <= hold, 0.0, coef)


def _release(posed: Problem, coef: "NDArray[np.float64]", tol: float) -> "NDArray[np.float64] | None":
    """Move the zero coordinates with excess gradient off 0, along it, as far as the objective falls."""
    excess = np.where(coef == 0, violations(posed, coef), 0.0)
    if float(excess.max(initial=0.0)) <= tol * posed.scale:
        return None
    squares = np.diag(posed.gram)
    step = np.sign(posed.descent(coef)) * excess / np.where(squares > 0, squares, 1.0)
    before = posed.objective(coef)
    for _ in range(60):
        if posed.objective(coef + step) < before:
            return coef + step
        step = step / 2
    return None


def _start(posed: LeastSquares, start: "ArrayLike | None") -> "NDArray[np.float64]":
    d = posed.X.shape[1]
    if start is None:
        return ridge_step(posed, np.ones(d))
    coef = finite("start", start)
    if coef.shape != (d,):
        raise InputError(f"start of shape {coef.shape}", f"must be {d} finite numbers", "pass one per column of X")
    return coef


def _grid(posed: Problem | JointProblem, n_lams: int, ratio: float) -> "NDArray[np.float64]":
    if not (_is_count(n_lams) and n_lams >= 1):
        raise InputError(f"n_lams = {n_lams}", "must be an integer ≥ 1", "choose e.g. n_lams=100")
    if not (_is_number(ratio) and 0 < ratio < 1):
        raise InputError(f"ratio = {ratio}", "must lie strictly between 0 and 1", "choose e.g. ratio=0.01")
    top = lam_max(posed)
    if not np.isfinite(top) or top == 0:
        formula = repr(posed.penalty.duality) if isinstance(posed, JointProblem) else str(posed.penalty.duality.penalty)
        raise InputError(formula, "has no λ at which all weights are 0, or has them at every λ", "pass lams=…")
    return top * np.geomspace(1.0, ratio, n_lams) if n_lams > 1 else np.array([top])


def _check_penalty(penalty: CompiledPenalty) -> None:
    """Refuse what reweighted ridge cannot descend on: Ω(0+) = −∞, or η̂ that falls somewhere."""
    formula = str(penalty.duality.penalty)
    if not np.isfinite(penalty.value(np.zeros(1))[0]):
        raise InputError(formula, "is −∞ at w = 0, so no minimum exists", "use log(1 + w/epsilon) with epsilon > 0")
    weight = penalty.eta_hat(np.geomspace(1e-6, 1e3, 200))
    with np.errstate(invalid="ignore"):
        if (weight[1:] < weight[:-1] * (1 - 1e-9)).any():
            raise InputError(formula, "is superquadratic: reweighted ridge needs η̂ nondecreasing",
                             "use a penalty for which w/Ω′(w) does not decrease")  # fmt: skip


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and bool(np.isfinite(float(value)))


def _is_count(value: object) -> bool:
    return isinstance(value, Integral)
