"""Steps towards the minimum for a joint penalty: accelerated proximal gradient, and proximal points by Newton."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import numpy as np

from etatrick.numerics.problem import JointProblem

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEWTON_STEPS: Final = 30
QUICK: Final = 8
GROWTH: Final = 10.0
SMALLEST: Final = 1e-3  # σ times the steepness


def accelerated(problem: JointProblem, start: "NDArray[np.float64]") -> Iterator["NDArray[np.float64]"]:
    """Yield the iterates of accelerated proximal gradient, without end; the objective never increases.

    Momentum is dropped where the objective would rise (O'Donoghue, Candès 2015). The step is 1/L, where L starts from a
    power iteration and is doubled where ‖Xs‖² > L‖s‖² for a step s.

    Parameters
    ----------
    problem : JointProblem
    start : ndarray, shape (d,)

    Yields
    ------
    ndarray, shape (d,)

    Examples
    --------
    >>> from etatrick.numerics.problem import pose
    >>> from etatrick.theory.vector.k_support import KSupport
    >>> steps = accelerated(pose(np.eye(2), [4.0, 2.0], KSupport(1), 1.0), np.zeros(2))
    >>> next(steps)
    array([2., 0.])
    """
    rows, target, _ = problem.compressed
    penalty, lam, bound = problem.penalty, problem.lam, problem.steepness or 1.0
    coef = ahead = start
    fitted = ahead_fitted = rows @ start
    momentum, value = 1.0, np.inf
    while True:
        downhill = rows.T @ (target - ahead_fitted)
        while True:
            moved = penalty.prox(ahead + downhill / bound, lam / bound)
            moved_fitted = rows @ moved
            step, bent = moved - ahead, moved_fitted - ahead_fitted
            if float(bent @ bent) <= bound * float(step @ step) * (1 + 1e-9):
                break
            bound *= 2
        residual = target - moved_fitted
        reached = 0.5 * float(residual @ residual) + lam * penalty.total(moved)
        if reached > value and ahead is not coef:
            ahead, ahead_fitted, momentum = coef, fitted, 1.0
            continue
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        push = (momentum - 1) / following
        ahead, ahead_fitted = moved + push * (moved - coef), moved_fitted + push * (moved_fitted - fitted)
        coef, fitted, momentum, value = moved, moved_fitted, following, reached
        yield coef


def proximal_points(problem: JointProblem, start: "NDArray[np.float64]") -> Iterator["NDArray[np.float64]"]:
    """Yield w ← argmin ½‖y − Xv‖² + λΩ(v) + ‖v − w‖²/(2σ) with σ growing, without end; the objective never increases.

    For columns so correlated, or λ so small, that first-order steps crawl. Each point is found by semismooth Newton's
    method on its dual, n equations u = y − X·prox(w + σXᵀu) with the Jacobian of the proximal map (Li, Sun, Toh 2018).

    Parameters
    ----------
    problem : JointProblem
    start : ndarray, shape (d,)

    Yields
    ------
    ndarray, shape (d,)
    """
    coef, value = start, problem.objective(start)
    sigma, growth = GROWTH / (problem.steepness or 1.0), GROWTH
    residual = problem.compressed[1] - problem.compressed[0] @ start
    while True:
        moved, moved_residual, steps = _proximal_point(problem, coef, sigma, residual)
        reached = problem.objective(moved)
        if reached > value and sigma * problem.steepness > SMALLEST:  # Newton's method was too far away
            sigma, growth = sigma / growth, max(growth / 2, 2.0)
            continue
        if reached <= value:
            coef, value, residual = moved, reached, moved_residual
        sigma *= growth if steps <= QUICK else 1.0
        yield coef


def _proximal_point(
    problem: JointProblem, centre: "NDArray[np.float64]", sigma: float, residual: "NDArray[np.float64]"
) -> "tuple[NDArray[np.float64], NDArray[np.float64], int]":
    """Return the proximal point of `centre`, its residual u, and the number of Newton steps on the dual."""
    rows, target, _ = problem.compressed
    penalty, lam = problem.penalty, problem.lam

    def at(u: "NDArray[np.float64]") -> "tuple[float, NDArray[np.float64]]":
        """Return the dual objective, to be minimised, and the point that belongs to u."""
        pull = rows.T @ u
        point = penalty.prox(centre + sigma * pull, sigma * lam)
        away = point - centre
        reach = float(point @ pull) - lam * penalty.total(point) - float(away @ away) / (2 * sigma)
        return float(u @ u) / 2 - float(target @ u) + reach, point

    value, point = at(residual)
    for count in range(NEWTON_STEPS):
        slope = residual - target + rows @ point
        size = float(slope @ slope)
        if size <= 1e-26 * float(target @ target):
            return point, residual, count
        support = np.flatnonzero(point)
        X = rows[:, support]
        bent = X.T @ X + lam * penalty.hessian(point)
        bent.flat[:: len(support) + 1] += 1 / sigma
        step = X @ np.linalg.solve(bent, X.T @ slope) - slope if len(support) else -slope
        fall, length = float(step @ slope), 1.0
        while length > 1e-6:
            ahead, ahead_point = at(residual + length * step)
            if ahead <= value + 1e-4 * length * fall:
                break
            length /= 2
        else:
            return point, residual, NEWTON_STEPS
        residual, value, point = residual + length * step, ahead, ahead_point
    return point, residual, NEWTON_STEPS
