"""Reweighted ridge (the η-trick as an algorithm): η from w, then w from a ridge problem with weights λ/η."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import numpy as np

from etatrick.numerics.problem import LeastSquares

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FREE: Final = 1e-30  # λ/η below this, relative to the largest column, is no penalty
TINY: Final = 1e-7  # λ below this, relative to XDXᵀ, would cost half of the digits there


def ridge_step(problem: LeastSquares, weight: "NDArray[np.float64]") -> "NDArray[np.float64]":
    r"""Return the minimiser of ½‖y − Xw‖² + (λ/2) Σ w_j²/η_j for fixed η.

    Computed as :math:`D^{1/2}(D^{1/2}X^TXD^{1/2}+\lambda I)^{-1}D^{1/2}X^Ty` with D = diag η for d ≤ n, and otherwise
    as :math:`DX^T(XDX^T+\lambda I)^{-1}y` (Woodbury), an n×n system: nothing is divided by η, so η = 0 is exact.
    Where some η = ∞, or λ nears rounding, the step solves least squares on stacked rows in :math:`D^{-1/2}w`, reduced
    by a QR decomposition of :math:`D^{1/2}X^T` for n < d.

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
    from scipy.linalg import LinAlgError

    n, d = problem.X.shape
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        free = np.isinf(weight) | (problem.lam / weight < FREE * np.max(problem.squares))
    if problem.lam == 0:
        return np.asarray(np.linalg.lstsq(problem.X, problem.y)[0], dtype=np.float64)
    step = _wide_step if n < d else _tall_step
    try:
        return _stacked_step(problem, weight, free) if free.any() else step(problem, weight)
    except (LinAlgError, ValueError):  # singular to rounding
        return _stacked_step(problem, weight, free)


def _tall_step(problem: LeastSquares, weight: "Floats") -> "Floats":
    from scipy.linalg import cho_factor, cho_solve

    root = np.sqrt(weight)
    system = root[:, None] * problem.gram * root
    system.flat[:: len(root) + 1] += problem.lam
    return np.asarray(root * cho_solve(cho_factor(system, lower=True), root * problem.correlation), dtype=np.float64)


def _wide_step(problem: LeastSquares, weight: "Floats") -> "Floats":
    from scipy.linalg import LinAlgError, cho_factor, cho_solve

    root = np.sqrt(weight)
    scaled = problem.X * root
    system = scaled @ scaled.T
    if problem.lam < TINY * np.max(system.diagonal()):
        raise LinAlgError
    system.flat[:: len(system) + 1] += problem.lam
    inner = cho_solve(cho_factor(system, lower=True), problem.y)
    return np.asarray(root * (scaled.T @ inner), dtype=np.float64)


def _stacked_step(problem: LeastSquares, weight: "Floats", free: "NDArray[np.bool_]") -> "Floats":
    """Solve by least squares on the augmented rows: in z = w/√η where penalised, in Qᵀz where those are more than n."""
    root = np.sqrt(weight[~free])
    inside, back = problem.X[:, ~free] * root, np.eye(len(root))
    if len(root) > len(inside):
        back, triangle = np.linalg.qr(inside.T)
        inside = triangle.T
    ridge = np.hstack([np.zeros((inside.shape[1], int(free.sum()))), np.sqrt(problem.lam) * np.eye(inside.shape[1])])
    stacked = np.vstack([np.hstack([problem.X[:, free], inside]), ridge])
    found = np.linalg.lstsq(stacked, np.concatenate([problem.y, np.zeros(len(ridge))]))[0]
    coef = np.zeros(len(weight))
    coef[free] = found[: -len(ridge) or None]
    coef[~free] = root * (back @ found[len(found) - len(ridge) :])
    return coef


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
