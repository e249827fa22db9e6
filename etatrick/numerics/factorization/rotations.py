"""Vectors of given lengths with a given frame spectrum, by plane rotations (Schur–Horn)."""

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROUNDING: Final = 1e-11


def vectors_of_lengths(spectrum: "NDArray[np.float64]", squares: "NDArray[np.float64]") -> "NDArray[np.float64] | None":
    """Return unit vectors f_b as columns with Σ_b squares_b f_b f_bᵀ = diag(spectrum).

    The longest vector goes into the plane of the two directions whose remaining scales are next to its squared length,
    and takes the smaller one along; what remains still majorises the other lengths.

    Parameters
    ----------
    spectrum : ndarray, shape (q,)
        Nonnegative, of the same sum as `squares`.
    squares : ndarray, shape (B,)
        Positive squared lengths.

    Returns
    -------
    ndarray, shape (q, B), or None
        None where the spectrum does not majorise the lengths.

    Examples
    --------
    >>> f = vectors_of_lengths(np.array([1.75, 1.25]), np.ones(3))
    >>> bool(np.allclose(f @ f.T, np.diag([1.75, 1.25]), rtol=0, atol=1e-15))
    True
    """
    scales = np.array(spectrum, dtype=np.float64)
    rounding = ROUNDING * float(np.sum(squares))
    directions = np.eye(len(scales))
    found = np.zeros((len(scales), len(squares)))
    for index in np.argsort(-squares, kind="stable"):
        length = float(squares[index])
        order = np.argsort(scales, kind="stable")
        place = int(np.searchsorted(scales[order], length - rounding))
        if place == len(order):
            return None
        high, low = int(order[place]), int(order[max(place - 1, 0)])
        small, large = float(scales[low]), float(scales[high])
        if place == 0 or small <= 0 or large <= length:
            found[:, index] = directions[:, high]
            scales[high] = max(large - length, 0.0)
            continue
        # f leaves the plane's scales at 0 and small + large − length; the direction of the second takes the place
        squared = np.array([small * (large - length), large * (length - small)]) / (length * (large - small))
        along, across = np.sqrt(squared / squared.sum())
        found[:, index] = along * directions[:, low] + across * directions[:, high]
        kept = np.array([-across * small, along * large])
        kept /= np.linalg.norm(kept)
        directions[:, high] = directions[:, [low, high]] @ kept
        scales[high], scales[low] = small + large - length, 0.0
    return found if float(scales.max(initial=0.0)) <= rounding else None
