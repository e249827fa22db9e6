"""How much of the Gram matrix is given to the coordinates: a diagonal Δ with G − Δ positive semidefinite."""

from typing import TYPE_CHECKING, Final

import numpy as np

from etatrick.numerics.global_search.quadratic import UNIT, Quadratic

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHRINK: Final = 1 - 1e-9
"""Leaves G − Δ positive definite by more than rounding."""


def best_diagonal(
    gram: "NDArray[np.float64]",
    gain: "NDArray[np.float64]",
    gone: "NDArray[np.bool_]",
    start: "NDArray[np.float64]",
    steps: int = 12,
    barrier: float = 1e-2,
) -> "NDArray[np.float64]":
    """Return Δ that nearly maximises Σ gain_j δ_j with G − Δ ⪰ 0 and δ > 0, for many nodes at once.

    Damped Newton steps on the objective plus barrier·(log det(G − Δ) + Σ log δ_j), which keep both positive.

    Parameters
    ----------
    gram : ndarray, shape (d, d)
        Positive semidefinite; its principal submatrices without the coordinates `gone` positive definite.
    gain, start : ndarray, shape (B, d)
        Nonnegative weights; a feasible Δ.
    gone : ndarray of bool, shape (B, d)
        Coordinates that are left out; their δ is returned as +∞.

    Examples
    --------
    >>> G = np.array([[1.0, 0.5], [0.5, 1.0]])
    >>> none = np.zeros((1, 2), dtype=bool)
    >>> np.round(best_diagonal(G, np.ones((1, 2)), none, np.full((1, 2), 0.1), steps=30, barrier=1e-4), 2)
    array([[0.5, 0.5]])
    """
    _count, d = gain.shape
    keep = ~gone
    scale = np.sqrt(np.diag(gram))
    eye = np.eye(d)
    unit = np.where(keep[:, :, None] & keep[:, None, :], gram / np.outer(scale, scale), eye)
    top = np.maximum(np.max(np.where(keep, gain * scale**2, 0.0), axis=1, keepdims=True), 1e-300)
    weight = np.where(keep, gain * scale**2 / top, 0.0) / barrier
    delta = np.where(keep, np.minimum(start, 1e300) / scale**2, 0.5)
    for _ in range(steps):
        inverse = np.linalg.inv(unit - delta[:, :, None] * eye)
        force = weight - np.diagonal(inverse, axis1=1, axis2=2) + 1 / delta
        hessian = inverse**2 + eye / (delta**2)[:, :, None]
        move = np.linalg.solve(hessian, force[:, :, None])[:, :, 0]
        decrement = np.sqrt(np.maximum((force * move).sum(axis=1), 0.0))
        delta = delta + move / (1 + np.where(decrement > 0.25, decrement, 0.0))[:, None]
    return np.where(keep, delta * scale**2 * SHRINK, np.inf)


def first_diagonal(gram: "NDArray[np.float64]", gone: "NDArray[np.bool_]") -> "NDArray[np.float64] | None":
    """Return half the smallest eigenvalue of the scaled Gram matrix times its diagonal, or None if it is singular."""
    scale = np.sqrt(np.diag(gram))
    keep = ~gone
    if not keep.any():
        return np.full(len(scale), np.inf)
    part = (gram / np.outer(scale, scale))[np.ix_(keep, keep)]
    least = float(np.linalg.eigvalsh(part)[0])
    if least < 1e-8:
        return None
    return np.where(gone, np.inf, least / 2 * scale**2)


def proves_semidefinite(data: Quadratic, delta: "NDArray[np.float64]") -> bool:
    """Whether G − Δ is proved positive semidefinite on the coordinates with finite δ.

    A floating-point Cholesky factorisation of A − cI that runs to its end proves A ⪰ 0 when c exceeds its backward
    error, at most γ·trace(A) with γ = (d + 1)u/(1 − (d + 1)u); the errors of the entries of G are added to c.
    With Δ = 0 nothing is to be proved: the exact G is a matrix of inner products.
    """
    keep = np.isfinite(delta)
    if (delta < 0).any() or np.isnan(delta).any():
        return False
    if not keep.any() or not delta[keep].any():
        return True
    A = data.gram[np.ix_(keep, keep)] - np.diag(delta[keep])
    entries = data.gram_error[np.ix_(keep, keep)].sum(axis=1).max()
    margin = 4 * (len(A) + 4) * UNIT * np.abs(np.diag(data.gram)[keep]).sum() + 2 * entries
    try:
        np.linalg.cholesky(A - margin * np.eye(len(A)))
    except np.linalg.LinAlgError:
        return False
    return True
