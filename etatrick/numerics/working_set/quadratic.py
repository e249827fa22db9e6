"""The inner problem min ½wᵀGw − cᵀw + Σ t_j|w_j|: Newton steps on the active set with exact line searches."""

from typing import TYPE_CHECKING

import numpy as np

from etatrick.numerics.working_set.augmented import augmented_newton
from etatrick.numerics.working_set.factors import positive_solve
from etatrick.numerics.working_set.homotopy import follow

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

STEPS = 4  # Newton steps on the active set before its changes are followed one at a time
FEW = 8  # violators that are followed at once
LARGE, CHANGES = 150, 60  # from so many columns on, so many changes at most
UNEVEN = 1e3  # ratio of the diagonal's entries from which columns are rescaled


def sparse_quadratic(G: "Floats", c: "Floats", t: "Floats", w: "Floats", tol: float) -> "Floats":
    """Return the minimiser of ½wᵀGw − cᵀw + Σ t_j|w_j|, started from `w`.

    A few Newton steps on the active set first; then its changes are followed one at a time; where there are too many
    of them, or a singular matrix is met, the semismooth Newton augmented Lagrangian method, which converges whatever
    G ⪰ 0, on columns of equal length.

    Parameters
    ----------
    G : ndarray, shape (m, m)
        Positive semidefinite.
    c, t, w : ndarray, shape (m,)
        t ≥ 0.
    tol : float
        Largest violation of the stationarity conditions to accept.

    Returns
    -------
    ndarray, shape (m,)

    Examples
    --------
    >>> sparse_quadratic(np.eye(2), np.array([3.0, 0.5]), np.ones(2), np.zeros(2), 1e-12)
    array([2., 0.])
    """
    found, reached = swift_quadratic(G, c, t, w, tol)
    return found if found is not None else _augmented(G, c, t, reached, tol)


def swift_quadratic(G: "Floats", c: "Floats", t: "Floats", w: "Floats", tol: float) -> "tuple[Floats | None, Floats]":
    """Return the minimiser as :func:`sparse_quadratic` does, None where its fast ways fail, and how far they came."""
    for _ in range(STEPS):
        g = G @ w - c
        if worst_violation(g, t, w) <= tol:
            return w, w
        if np.count_nonzero((w == 0) & (np.abs(g) > t)) <= FEW:
            break
        moved = _active_step(G, g, t, w)
        if moved is None:
            break
        w = moved
    found = follow(G, c, t, w, 2 * len(c) + FEW if len(c) < LARGE else CHANGES)
    if found is not None and worst_violation(G @ found - c, t, found) <= tol:
        return found, found
    return None, w


def _augmented(G: "Floats", c: "Floats", t: "Floats", w: "Floats", tol: float) -> "Floats":
    """Return what the augmented Lagrangian method finds, after scaling to a unit diagonal where that is uneven."""
    diagonal = G.diagonal()
    size = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    if float(size.max()) <= UNEVEN * float(size.min()):
        return augmented_newton(G, c, t, w, tol)
    found = augmented_newton(G / np.outer(size, size), c / size, t / size, w * size, tol / float(size.max())) / size
    before, after = worst_violation(G @ w - c, t, w), worst_violation(G @ found - c, t, found)
    return found if after <= before else w


def worst_violation(g: "Floats", t: "Floats", w: "Floats") -> float:
    """Return the largest violation of stationarity for the gradient `g` of the smooth part."""
    inside = np.abs(g + np.copysign(t, w))
    return float(np.where(w != 0, inside, np.abs(g) - t).max(initial=0.0))


def _active_step(G: "Floats", g: "Floats", t: "Floats", w: "Floats") -> "Floats | None":
    """Return the best point on the Newton step over the support and the violators, None if there is no descent."""
    active = ((w != 0) | (np.abs(g) > t * (1 + 1e-12))).nonzero()[0]
    if len(active) == 0:
        return None
    here = w[active]
    signs = np.where(here != 0, np.sign(here), -np.sign(g[active]))
    step = np.zeros(0)
    while len(active):
        H = G[active[:, None], active]
        found = positive_solve(H, -(g[active] + t[active] * signs))
        if found is None:
            return None
        step = found
        wrong = (here == 0) & (step * signs <= 0)
        if not wrong.any():
            break
        keep = ~wrong
        active, signs, here = active[keep], signs[keep], here[keep]
    if len(active) == 0:
        return None
    full = here + step
    bad = full * signs < 0
    moved = w.copy()
    if not bad.any():
        moved[active] = full
        return moved
    best = _piecewise(H, g[active], t[active], here, step, bad)
    if best is None:
        return None
    moved[active] = best
    return moved


def _piecewise(
    H: "Floats", g: "Floats", t: "Floats", here: "Floats", step: "Floats", bad: "NDArray[np.bool_]"
) -> "Floats | None":
    """Return the best of the sign changes along the step and the step cut at 0, None if none descends."""
    crossing = np.ones_like(here)
    crossing[bad] = np.clip(-here[bad] / step[bad], 0.0, 1.0)
    at = np.unique(crossing)
    slope, bend = float(g @ step), float(step @ (H @ step))
    values = slope * at + 0.5 * bend * at**2 + np.abs(here + np.outer(at, step)) @ t
    chosen = int(values.argmin())
    best = here + at[chosen] * step
    best[bad & (np.abs(crossing - at[chosen]) < 1e-14)] = 0.0
    cut = np.where(bad, 0.0, here + step)
    change = cut - here
    alternative = float(g @ change + 0.5 * change @ (H @ change) + np.abs(cut) @ t)
    start = float(np.abs(here) @ t)
    if min(alternative, values[chosen]) >= start:
        return None
    return cut if alternative < values[chosen] else best
