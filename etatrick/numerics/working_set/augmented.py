"""The semismooth Newton augmented Lagrangian method, carried out wholly in terms of the Gram matrix.

Li, Sun & Toh (2018), SIAM J. Optim. 28, 433–458, state it for u in ℝⁿ; every iterate there is u = y − Xq, so that only
G = XᵀX and c = Xᵀy enter.
"""

from typing import TYPE_CHECKING

import numpy as np

from etatrick.numerics.working_set.factors import positive_solve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

OUTER, INNER = 60, 60
GROWTH = 8.0
PATIENCE = 4  # outer steps without progress before rounding is blamed
SMALL = 1e-6  # steps shorter than this no longer help


def augmented_newton(G: "Floats", c: "Floats", t: "Floats", w: "Floats", tol: float) -> "Floats":
    """Return a minimiser of ½wᵀGw − cᵀw + Σ t_j|w_j| for any G ⪰ 0, started from `w`.

    Each outer step is the proximal point step at w with ½‖· − w‖²/σ, solved in its dual by Newton's method with line
    search; σ grows, so that the convergence is superlinear. The last step solves on the support found.

    Parameters
    ----------
    G, c, t, w, tol
        As for :func:`etatrick.numerics.working_set.quadratic.sparse_quadratic`.

    Returns
    -------
    ndarray, shape (m,)

    Examples
    --------
    >>> augmented_newton(np.ones((2, 2)), np.ones(2), np.full(2, 0.5), np.zeros(2), 1e-12).sum().round(9)
    np.float64(0.5)
    """
    size = float(np.mean(G.diagonal())) or 1.0
    sigma, best, least, idle = 30.0 / size, w, np.inf, 0
    tol = max(tol, 4e-16 * float(np.abs(c).max(initial=0.0)))
    for _ in range(OUTER):
        before = least
        w = _proximal_point(G, c, t, w, sigma, tol)
        for point in (w, _on_support(G, c, t, w)):
            if point is not None:
                g = G @ point - c
                inside = np.abs(g + np.copysign(t, point))
                worst = float(np.where(point != 0, inside, np.abs(g) - t).max(initial=0.0))
                if worst < least:
                    best, least = point, worst
        idle = 0 if least < 0.5 * before else idle + 1
        if least <= tol or sigma * size > 1e13 or idle >= PATIENCE:
            break
        sigma *= GROWTH
    return best


def _proximal_point(G: "Floats", c: "Floats", t: "Floats", w: "Floats", sigma: float, tol: float) -> "Floats":
    """Return argmin of the objective plus ½‖· − w‖²/σ."""
    q, Gq = w, G @ w
    a = w + sigma * (c - Gq)
    z = _soft(a, sigma * t)
    for _ in range(INNER):
        e = z - q
        Ge = G @ e
        if float(np.abs(Ge).max()) <= max(0.1 * tol, 1e-2 * float(np.abs(z - w).max()) / sigma):
            break
        active = np.flatnonzero(z)
        H = G[np.ix_(active, active)]
        H.flat[:: len(active) + 1] += 1 / sigma
        inner = positive_solve(H, Ge[active])
        if inner is None:
            break
        step = e.copy()
        step[active] -= inner
        Gstep = Ge - G[:, active] @ inner
        descent = float(e @ Gstep)
        here = 0.5 * float(q @ Gq) + float(z @ z) / (2 * sigma)
        size = 1.0
        for _ in range(30):
            q_next, Gq_next = q + size * step, Gq + size * Gstep
            a_next = a - (sigma * size) * Gstep
            z_next = _soft(a_next, sigma * t)
            value = 0.5 * float(q_next @ Gq_next) + float(z_next @ z_next) / (2 * sigma)
            if value <= here - 1e-4 * size * descent + 1e-15 * abs(here):
                break
            size /= 2
        if size < SMALL:
            break
        q, Gq, a, z = q_next, Gq_next, a_next, z_next
    return z


def _on_support(G: "Floats", c: "Floats", t: "Floats", w: "Floats") -> "Floats | None":
    """Return the stationary point with the support and signs of `w`, None if there is none."""
    support = np.flatnonzero(w)
    signs = np.sign(w[support])
    found = positive_solve(G[np.ix_(support, support)], c[support] - t[support] * signs)
    if found is None or bool((found * signs <= 0).any()):
        return None
    exact = np.zeros_like(w)
    exact[support] = found
    return exact


def _soft(a: "Floats", level: "Floats") -> "Floats":
    return a - np.clip(a, -level, level)
