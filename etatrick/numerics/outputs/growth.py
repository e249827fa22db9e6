"""How a working set grows: by the worst violators, at most doubling."""

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIRST: Final = 20  # columns to add at least
PASSES: Final = 200


def worst_violators(violations: "NDArray[np.float64]", used: int) -> "NDArray[np.intp]":
    """Return the indices of the largest positive violations, at most twice as many as are used already, or 20.

    Examples
    --------
    >>> worst_violators(np.array([0.0, 2.0, 1.0]), used=1)
    array([1, 2])
    """
    found, most = np.flatnonzero(violations > 0), max(FIRST, 2 * used)
    if len(found) > most:
        found = found[np.argpartition(-violations[found], most)[:most]]
    return found
