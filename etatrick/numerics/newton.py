"""Newton's method on a fixed sign pattern: the last digits of a stationary point."""

from typing import TYPE_CHECKING

import numpy as np

from etatrick.numerics.problem import JointProblem, Problem

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEPS = 60


def polish(problem: Problem, coef: "NDArray[np.float64]") -> "NDArray[np.float64] | None":
    """Return the local minimiser with the support and signs of `coef`, or None if Newton's method leaves them.

    Solves ``x_jᵀ(y − Xw) = λΩ′(|w_j|) sgn(w_j)`` on the support. None is returned where a coordinate changes
    sign, the Hessian is not positive definite, or the objective would rise.

    Parameters
    ----------
    problem : Problem
    coef : ndarray, shape (d,)
        Its exact zeros stay 0.

    Returns
    -------
    ndarray of shape (d,), or None
    """
    support = np.flatnonzero(coef)
    if len(support) == 0:
        return coef
    X, signs = problem.X[:, support], np.sign(coef[support])
    wide = len(support) > len(problem.y)
    gram = None if wide else _gram(problem, support)
    current, best = coef[support], np.inf
    for _ in range(STEPS):
        residual = X.T @ (problem.y - X @ current) - problem.lam * problem.penalty.slope(current) * signs
        size = float(np.max(np.abs(residual)))
        if size >= best and size <= 1e-10 * problem.scale:
            break
        best = min(best, size)
        bend = problem.lam * problem.penalty.curvature(current)
        step = _wide_solve(X, bend, residual) if gram is None else _solve(gram + np.diag(bend), residual)
        if step is None:
            return None
        moved = current + step
        if (np.sign(moved) != signs).any():
            return None
        if np.array_equal(moved, current):
            break
        current = moved
    polished = np.zeros_like(coef)
    polished[support] = current
    rise = problem.objective(polished) - problem.objective(coef)
    return polished if rise <= 1e-14 * (1 + abs(problem.objective(coef))) else None


def _gram(problem: Problem, support: "NDArray[np.intp]") -> "NDArray[np.float64]":
    n, d = problem.X.shape
    if d <= n:
        return problem.gram[np.ix_(support, support)]
    X = problem.X[:, support]
    return X.T @ X


def _wide_solve(
    X: "NDArray[np.float64]", bend: "NDArray[np.float64]", residual: "NDArray[np.float64]"
) -> "NDArray[np.float64] | None":
    """Return (XᵀX + diag(bend))⁻¹ residual through an n×n system (Woodbury), None unless every entry of bend is > 0."""
    if not (bend > 0).all():
        return None
    from scipy.linalg import LinAlgError, cho_factor, cho_solve

    scaled = X / bend
    system = scaled @ X.T
    system.flat[:: len(system) + 1] += 1.0
    try:
        step: NDArray[np.float64] = residual / bend - scaled.T @ cho_solve(cho_factor(system), scaled @ residual)
    except (LinAlgError, ValueError):
        return None
    return step if np.isfinite(step).all() else None


def polish_jointly(problem: JointProblem, coef: "NDArray[np.float64]") -> "NDArray[np.float64] | None":
    """Return the minimiser with the support of `coef`, or one inside it, by Newton's method; None where it fails.

    The gradient λw/η̂ is piecewise smooth in the nonzero coordinates, for weights and ranks even piecewise linear: then
    the method ends after finitely many steps. Coordinates that would change sign are set to 0 if that is better.

    Parameters
    ----------
    problem : JointProblem
    coef : ndarray, shape (d,)
        Its exact zeros stay 0.

    Returns
    -------
    ndarray of shape (d,), or None
    """
    rows, target, _ = problem.compressed
    current, best, stalled = coef, np.inf, 0
    value = problem.objective(current)
    for _ in range(STEPS):
        support = np.flatnonzero(current)
        X = rows[:, support]
        uphill = X.T @ (target - X @ current[support]) - problem.lam * problem.penalty.slope(current)[support]
        size = float(np.max(np.abs(uphill), initial=0.0))
        stalled = 0 if size < best / 2 else stalled + 1
        best = min(best, size)
        if size == 0 or stalled >= 3:
            break
        step = _solve(X.T @ X + problem.lam * problem.penalty.hessian(current), uphill)
        if step is None:
            return None
        found = _lower(problem, current, support, step, value)
        if found is None:
            break
        current, value = found
    return current


def _lower(
    problem: JointProblem,
    current: "NDArray[np.float64]",
    support: "NDArray[np.intp]",
    step: "NDArray[np.float64]",
    value: float,
) -> "tuple[NDArray[np.float64], float] | None":
    """Return the point along the step, or its part with the same signs, whose objective is no higher; or None."""
    for length in (1.0, 0.5, 0.25, 0.125):
        moved = current.copy()
        moved[support] += length * step
        kept = np.where(np.sign(moved) == np.sign(current), moved, 0.0)
        points = [moved] if np.array_equal(moved, kept) else [moved, kept]
        reached, point = min(((problem.objective(p), p) for p in points), key=lambda pair: pair[0])
        if reached <= value + 1e-14 * (1 + abs(value)):
            return point, reached
    return None


def _solve(hessian: "NDArray[np.float64]", residual: "NDArray[np.float64]") -> "NDArray[np.float64] | None":
    """Solve by Cholesky; where the matrix is singular but not indefinite, the shortest solution."""
    from scipy.linalg import LinAlgError, cho_factor, cho_solve

    try:
        step: NDArray[np.float64] = cho_solve(cho_factor(hessian, lower=True), residual)
    except (LinAlgError, ValueError):
        if not np.isfinite(hessian).all():
            return None
        sizes, axes = np.linalg.eigh(hessian)
        if sizes[0] < -1e-12 * sizes[-1]:
            return None
        kept = sizes > 1e-12 * sizes[-1]
        step = axes[:, kept] @ (axes[:, kept].T @ residual / sizes[kept])
    return step if np.isfinite(step).all() else None
