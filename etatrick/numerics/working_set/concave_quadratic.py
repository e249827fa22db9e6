"""The inner problem min ½wᵀGw − cᵀw + λ Σ Ω(|w_j|) for concave Ω: second-order models, tangents where they fail."""

from typing import TYPE_CHECKING

import numpy as np

from etatrick.numerics.working_set.quadratic import sparse_quadratic, swift_quadratic

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.working_set.curve import Curve

    Floats = NDArray[np.float64]

ROUNDS = 60
FORCING = 0.1  # of the violation: how exactly a model is solved
BENT = (0.98, 0.4)  # of the diagonal: most of Ω's bend that a model keeps on the support, tried in turn
STARTING = 0.5  # the same off the support


def concave_quadratic(G: "Floats", c: "Floats", curve: "Curve", lam: float, w: "Floats", goal: float) -> "Floats":
    """Return a stationary point that is no higher than `w`.

    A round solves the weighted lasso whose penalty is Ω(|w|) + Ω′(|w|)(|·| − |w|) + ½Ω″(|w|)(|·| − |w|)² where that
    descends, with Ω″ kept off −G_jj; otherwise the one with tangents, which majorise Ω (Zou & Li 2008, Ann. Statist.
    36, 1509–1533).

    Parameters
    ----------
    G : ndarray, shape (m, m)
        Positive semidefinite.
    c, w : ndarray, shape (m,)
    curve : Curve
        Concave on w ≥ 0; where Ω′(0+) = ∞, the zeros of `w` stay 0.
    lam, goal : float
        λ, and the largest violation of stationarity to accept.

    Examples
    --------
    >>> from etatrick.numerics.working_set.curve import read_curve
    >>> from etatrick.theory import penalties
    >>> mcp = read_curve(penalties["mcp"](A=2))
    >>> concave_quadratic(np.eye(2), np.array([3.0, 0.5]), mcp, 1.0, np.zeros(2), 1e-12)
    array([3., 0.])
    """
    if not np.isfinite(curve.start):
        on = w.nonzero()[0]
        if len(on) < len(w):
            found = np.zeros_like(w)
            if len(on):
                found[on] = concave_quadratic(G[on[:, None], on], c[on], curve, lam, w[on], goal)
            return found
    height, best, least = _height(G, c, curve, lam, w), w, np.inf
    for _ in range(ROUNDS):
        hold, pull = lam * curve.slope(w), c - G @ w
        worst = float(np.where(w != 0, np.abs(pull - hold * np.sign(w)), np.abs(pull) - hold).max(initial=0.0))
        if worst < least:
            best, least = w, worst
        if worst <= goal:
            break
        before, inner, rounding = w, max(goal, FORCING * worst), 1e-15 * float(np.abs(c) @ np.abs(w))
        w, reached = _stepped(G, c, curve, lam, hold, before, inner, height + rounding)
        height = min(height, reached)
        if not np.isfinite(curve.start) and not w.all():
            return concave_quadratic(G, c, curve, lam, w, goal)
        if (w == before).all():
            break
    return best if least <= goal else w


def _height(G: "Floats", c: "Floats", curve: "Curve", lam: float, w: "Floats") -> float:
    """Return ½wᵀGw − cᵀw + λ Σ Ω(|w_j|)."""
    on = w[w != 0]
    return float((0.5 * (G @ w) - c) @ w) + lam * float(curve.value(on).sum())


def _stepped(
    G: "Floats", c: "Floats", curve: "Curve", lam: float, hold: "Floats", w: "Floats", goal: float, height: float
) -> "tuple[Floats, float]":
    """Return the minimiser of the first model that descends, and its height; tangents always do."""
    bend, diagonal, on = lam * curve.bend(w), G.diagonal(), w != 0
    for most in BENT:
        kept = np.maximum(bend, np.where(on, -most, -min(most, STARTING)) * diagonal)
        H = G.copy()
        H.flat[:: len(w) + 1] += kept
        found = swift_quadratic(H, c, np.maximum(hold - kept * np.abs(w), 0.0), w, goal)[0]
        if found is not None:
            reached = _height(G, c, curve, lam, found)
            if reached <= height:
                return found, reached
    found = sparse_quadratic(G, c, hold, w, goal)
    return found, _height(G, c, curve, lam, found)
