"""The inner problem min ½wᵀGw − cᵀw + Σ t_j|w_j| followed from one c to another, one change of the support at a time.

For c₀ chosen so that the start solves the problem, the solution for c₀ + τ(c − c₀) is piecewise linear in τ (Osborne,
Presnell & Turlach 2000, IMA J. Numer. Anal. 20, 389–403, state it for t); τ = 1 is reached after one linear system for
every coordinate that enters or leaves.
"""

from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.numerics.working_set.factors import positive_solve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

DEPENDENT = 1e-13  # a squared distance to the span of the others below this, relative to the square, is rounding


def follow(G: "Floats", c: "Floats", t: "Floats", w: "Floats", most: int) -> "Floats | None":
    """Return the minimiser of ½wᵀGw − cᵀw + Σ t_j|w_j|, started from `w`; None after `most` changes of the support.

    Parameters
    ----------
    G : ndarray, shape (m, m)
        Positive semidefinite.
    c, t, w : ndarray, shape (m,)
        t ≥ 0.
    most : int
        Changes of the support to take.

    Returns
    -------
    ndarray, shape (m,), or None
        None too where the columns of a support turn out dependent.

    Examples
    --------
    >>> follow(np.eye(2), np.array([3.0, 0.5]), np.ones(2), np.zeros(2), 9)
    array([2., 0.])
    """
    inverse = _Inverse.of(G, w.nonzero()[0])
    if inverse is None:
        return None
    w, signs = w.copy(), np.sign(w)
    product = G @ w
    pull = c - product
    start = product + np.where(w != 0, t * signs, np.where(np.abs(pull) <= t, pull, 0.0))
    change, h, tau = c - start, start - product, 0.0
    for _ in range(most):
        on = inverse.members
        step = np.zeros_like(w)
        step[on] = inverse.times(change[on])
        drift = change - G @ step
        free = signs == 0
        with np.errstate(divide="ignore", invalid="ignore"):
            entering = np.where(free & (drift != 0), (np.copysign(t, drift) - h) / drift, np.inf)
            leaving = np.where(step * signs < 0, -w / step, np.inf)
        comes, goes = int(entering.argmin()), int(leaving.argmin())
        first, last = max(float(entering[comes]), 0.0), max(float(leaving[goes]), 0.0)
        reach = min(first, last, 1.0 - tau)
        w += reach * step
        h = np.where(free, h + reach * drift, h)
        tau += reach
        if reach == last:
            inverse.drop(goes)
            w[goes], h[goes], signs[goes] = 0.0, signs[goes] * t[goes], 0.0
        elif reach == first:
            signs[comes] = np.sign(drift[comes])
            h[comes] = signs[comes] * t[comes]
            if not inverse.add(comes):
                return None
        else:
            exact = positive_solve(G[on[:, None], on], c[on] - t[on] * signs[on])
            if exact is None:
                return None
            w[on] = exact
            return w
    return None


@final
class _Inverse:
    """The inverse of the block of G that belongs to some members, updated as they come and go."""

    def __init__(self, G: "Floats", members: "Indices", inverse: "Floats") -> None:
        self.G, self.count = G, len(members)
        self._members = np.empty(len(G), dtype=np.intp)
        self._members[: self.count] = members
        self._inverse = np.empty_like(G)
        self._inverse[: self.count, : self.count] = inverse

    @classmethod
    def of(cls, G: "Floats", members: "Indices") -> "_Inverse | None":
        """Return the inverse of a block, None where it is singular."""
        found = positive_solve(G[members[:, None], members], np.eye(len(members)))
        return None if found is None else cls(G, members, found)

    @property
    def members(self) -> "Indices":
        """The members, in the order of the rows."""
        return self._members[: self.count].copy()

    def times(self, b: "Floats") -> "Floats":
        """Return the solution for the right-hand side `b`, in the order of the members."""
        return np.asarray(self._inverse[: self.count, : self.count] @ b, dtype=np.float64)

    def add(self, j: int) -> bool:
        """Border the inverse by one more member; say whether it is independent of the others."""
        k, M = self.count, self._inverse
        u = self.times(self.G[self._members[:k], j])
        rest = float(self.G[j, j] - self.G[self._members[:k], j] @ u)
        if rest <= DEPENDENT * self.G[j, j]:
            return False
        M[:k, :k] += u[:, None] * (u / rest)
        M[:k, k] = M[k, :k] = -u / rest
        M[k, k], self._members[k], self.count = 1 / rest, j, k + 1
        return True

    def drop(self, j: int) -> None:
        """Take a member out; the last one moves to its place."""
        k, M = self.count, self._inverse
        p, last = int(np.flatnonzero(self._members[:k] == j)[0]), k - 1
        column = M[:k, p].copy()
        M[:k, :k] -= column[:, None] * (column / column[p])
        M[p, :k], M[:k, p] = M[last, :k], M[:k, last]
        M[p, p] = M[last, last]
        self._members[p], self.count = self._members[last], last
