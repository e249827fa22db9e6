"""Newton's method on a fixed sign pattern: the last digits of a stationary point."""

from typing import TYPE_CHECKING

import numpy as np

from etatrick.numerics.problem import Problem

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
    gram = problem.gram[np.ix_(support, support)]
    current, best = coef[support], np.inf
    for _ in range(STEPS):
        residual = X.T @ (problem.y - X @ current) - problem.lam * problem.penalty.slope(current) * signs
        size = float(np.max(np.abs(residual)))
        if size >= best and size <= 1e-10 * problem.scale:
            break
        best = min(best, size)
        hessian = gram + np.diag(problem.lam * problem.penalty.curvature(current))
        step = _solve(hessian, residual)
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
