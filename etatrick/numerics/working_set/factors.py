"""Solving positive definite systems, with singular ones told apart."""

from typing import TYPE_CHECKING, final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

NEGLIGIBLE = 1e-14  # squared pivots below this, relative to the diagonal, are rounding
DEPENDENT = 1e-10  # the same for columns that are bordered; closer ones are factored with the others
SMALL = 100  # columns up to which a new factor costs no more than the bookkeeping
CHANGED = 6  # columns factored for each that has changed, at least


def positive_solve(H: "Floats", b: "Floats") -> "Floats | None":
    """Return H⁻¹b by Cholesky's factors, or None where H is singular or indefinite up to rounding.

    Parameters
    ----------
    H : ndarray, shape (m, m)
        Symmetric; overwritten.
    b : ndarray, shape (m,)

    Examples
    --------
    >>> positive_solve(np.array([[2.0]]), np.array([4.0]))
    array([2.])
    >>> positive_solve(np.ones((2, 2)), np.ones(2)) is None
    True
    """
    from scipy.linalg.lapack import dpotrf, dpotrs

    if len(b) == 0:
        return b
    diagonal = H.diagonal().copy()
    factor, info = dpotrf(H.T, lower=1, clean=0, overwrite_a=1)
    if info != 0 or bool((factor.diagonal() ** 2 <= NEGLIGIBLE * diagonal).any()):
        return None
    solution, _ = dpotrs(factor, b, lower=1)
    return np.asarray(solution, dtype=np.float64)


@final
class Factor:
    """Cholesky's factor of a Gram matrix, kept while the columns change by a few: the others are bordered.

    For the columns B factored, D of them left out and N taken in, the solution is that of the system on B ∪ N with
    multipliers for w_D = 0, so that besides solves with the factor only a system of size |D| + |N| is left.

    Parameters
    ----------
    block : callable
        From rows, columns and a ridge to the Gram matrix of those columns, a copy, the ridge on its diagonal where both
        are the same object.
    """

    def __init__(self, block: "Callable[[Indices, Indices, float], Floats]") -> None:
        self.block, self.ridge = block, -1.0
        self.base: Indices = np.zeros(0, dtype=np.intp)
        self.factor = np.zeros((0, 0))

    def solve(self, active: "Indices", ridge: float, b: "Floats") -> "Floats | None":
        """Return H⁻¹b on the active columns, None where H is singular up to rounding.

        Parameters
        ----------
        active : ndarray of int, shape (k,)
        ridge : float
        b : ndarray, shape (k,)
        """
        if len(active) < SMALL:
            return positive_solve(self.block(active, active, ridge), b)
        if ridge == self.ridge:
            found = self._bordered(active, b)
            if found is not None:
                return found
        H = self.block(active, active, ridge)
        self.ridge = -1.0
        factor = _factor(H)
        if factor is None:
            return None
        self.base, self.factor, self.ridge = active, factor, ridge
        return _back(factor, _forth(factor, b))

    def _bordered(self, active: "Indices", b: "Floats") -> "Floats | None":
        most = int(max(self.base.max(initial=-1), active.max())) + 1
        place = np.full(most, -1, dtype=np.intp)
        place[active] = np.arange(len(active))
        where = place[self.base]
        out = np.flatnonzero(where < 0)
        place[:] = -1
        place[self.base] = 0
        new = np.flatnonzero(place[active] < 0)
        if len(out) + len(new) > len(self.base) / CHANGED:
            return None
        force = np.where(where >= 0, b[where], 0.0)
        q = _forth(self.factor, force)
        if len(out) + len(new) == 0:
            return _ordered(_back(self.factor, q), where, len(active))
        border = np.zeros((len(self.base), len(new) + len(out)), order="F")
        added = active[new]
        border[:, : len(new)] = self.block(self.base, added, 0.0)
        border[out, len(new) + np.arange(len(out))] = 1.0
        Z = _forth(self.factor, border)
        S = -(Z.T @ Z)
        corner = self.block(added, added, self.ridge)
        S[: len(new), : len(new)] += corner
        if bool((S.diagonal()[: len(new)] <= DEPENDENT * corner.diagonal()).any()):
            return None
        t = np.linalg.solve(S, np.concatenate([b[new], np.zeros(len(out))]) - Z.T @ q)
        found = _ordered(_back(self.factor, q - Z @ t), where, len(active))
        found[new] = t[: len(new)]
        return found


def _ordered(values: "Floats", where: "Indices", size: int) -> "Floats":
    found = np.zeros(size)
    found[where[where >= 0]] = values[where >= 0]
    return found


def _factor(H: "Floats") -> "Floats | None":
    from scipy.linalg.lapack import dpotrf

    diagonal = H.diagonal().copy()
    factor, info = dpotrf(H.T, lower=1, clean=0, overwrite_a=1)
    if info != 0 or bool((factor.diagonal() ** 2 <= NEGLIGIBLE * diagonal).any()):
        return None
    return np.asarray(factor, dtype=np.float64)


def _forth(factor: "Floats", b: "Floats") -> "Floats":
    from scipy.linalg.lapack import dtrtrs

    return np.asarray(dtrtrs(factor, b, lower=1)[0], dtype=np.float64)


def _back(factor: "Floats", b: "Floats") -> "Floats":
    from scipy.linalg.lapack import dtrtrs

    return np.asarray(dtrtrs(factor, b, lower=1, trans=1)[0], dtype=np.float64)


def independent(H: "Floats") -> "Indices":
    """Return the positions of columns of H ⪰ 0 that span the others up to rounding, in order, by pivoted Cholesky.

    Parameters
    ----------
    H : ndarray, shape (m, m)

    Examples
    --------
    >>> len(independent(np.ones((3, 3))))
    1
    """
    from scipy.linalg.lapack import dpstrf

    root = np.sqrt(np.maximum(H.diagonal(), 1e-300))
    _, pivots, rank, _ = dpstrf(H / np.outer(root, root), tol=1e-11, lower=1)
    return np.sort(np.asarray(pivots[:rank], dtype=np.intp) - 1)
