"""Reweighted ridge (the η-trick as an algorithm): η from w, then w from a ridge problem with weights λ/η."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from etatrick.numerics.problem import LeastSquares

if TYPE_CHECKING:
    from numpy.typing import NDArray


def ridge_step(problem: LeastSquares, weight: "NDArray[np.float64]") -> "NDArray[np.float64]":
    r"""Return the minimiser of ½‖y − Xw‖² + (λ/2) Σ w_j²/η_j for fixed η.

    Computed as :math:`D^{1/2}(D^{1/2}X^TXD^{1/2}+\lambda I)^{-1}D^{1/2}X^Ty` with D = diag η, or through the n×n
    system when n < d: nothing is divided by η, so η = 0 is exact.

    Parameters
    ----------
    problem : LeastSquares
    weight : ndarray, shape (d,)
        η ≥ 0, possibly infinite (then that coordinate is not penalised).

    Returns
    -------
    ndarray, shape (d,)

    Examples
    --------
    >>> from etatrick.numerics.problem import problem
    >>> from etatrick.theory import penalties
    >>> p = problem(np.eye(2), [3.0, 1.0], penalties["l1"](k=1), 1.0)
    >>> ridge_step(p, np.array([2.0, 0.0]))
    array([2., 0.])
    """
    from scipy.linalg import LinAlgError, cho_factor, cho_solve

    n, d = problem.X.shape
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        free = np.isinf(weight) | (problem.lam / weight < 1e-30 * np.max(np.diag(problem.gram)))
    if problem.lam == 0 or free.any():
        return _least_squares_step(problem, weight, free | (problem.lam == 0))
    root = np.sqrt(weight)
    try:
        if n < d:
            scaled = problem.X * root
            system = scaled @ scaled.T
            system.flat[:: n + 1] += problem.lam
            coef: NDArray[np.float64] = root * (scaled.T @ cho_solve(cho_factor(system, lower=True), problem.y))
            return coef
        system = root[:, None] * problem.gram * root
        system.flat[:: d + 1] += problem.lam
        step: NDArray[np.float64] = root * cho_solve(cho_factor(system, lower=True), root * problem.correlation)
        return step
    except (LinAlgError, ValueError):  # singular to rounding
        return _least_squares_step(problem, weight, free)


def _least_squares_step(
    problem: LeastSquares, weight: "NDArray[np.float64]", free: "NDArray[np.bool_]"
) -> "NDArray[np.float64]":
    """Solve by least squares on the augmented rows, in w/√η where penalised: nothing is divided by η."""
    root = np.sqrt(np.where(free, 1.0, weight))
    rows = np.sqrt(problem.lam) * np.eye(len(weight))[~free]
    stacked = np.vstack([problem.X * root, rows])
    shortest: NDArray[np.float64] = np.linalg.lstsq(stacked, np.concatenate([problem.y, np.zeros(len(rows))]))[0]
    return root * shortest


def reweighted_ridge(problem: LeastSquares, start: "NDArray[np.float64]") -> Iterator["NDArray[np.float64]"]:
    """Yield the iterates of w ← ridge step at η = η̂(w), without end; the objective never increases.

    A coordinate at exactly 0 with η̂(0) = 0 stays there (*zero locking*): :func:`etatrick.numerics.solve` tests
    such coordinates and releases those whose gradient exceeds λΩ′(0+).

    Parameters
    ----------
    problem : LeastSquares
    start : ndarray, shape (d,)

    Yields
    ------
    ndarray, shape (d,)
    """
    coef = start
    while True:
        coef = ridge_step(problem, problem.penalty.eta_hat(coef))
        yield coef
