"""Solving positive definite systems, with singular ones told apart."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

NEGLIGIBLE = 1e-14  # squared pivots below this, relative to the diagonal, are rounding


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
