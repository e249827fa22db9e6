"""Where a node is split: the coordinate with the largest gap, into zero and large, or at a point."""

from typing import TYPE_CHECKING, Final

import numpy as np

from etatrick.numerics.global_search.shape import Shape
from etatrick.numerics.global_search.tree import AT_A_POINT, ZERO_OR_LARGE

if TYPE_CHECKING:
    from numpy.typing import NDArray

MARGIN: Final = 0.15


def place(
    shape: Shape,
    low: float,
    high: float,
    point: float,
    stretches: "NDArray[np.float64]",
    large: bool,
    zero_or_large: bool,
) -> tuple[int, float] | None:
    """Return the kind of split of one coordinate and its point, or None when the interval cannot be split.

    Parameters
    ----------
    low, high, point : float
        The interval, and the relaxed minimiser inside it.
    stretches : ndarray, shape (2, 2)
        Ends of the envelope's common tangents on either side of zero.
    large, zero_or_large : bool
        Whether the coordinate already is large; whether it may be split into zero and large.

    Examples
    --------
    >>> from etatrick.numerics.global_search.folded import FoldedShape
    >>> shape = FoldedShape(0.0, 1.0, 2.0, 2.0)
    >>> place(shape, -9.0, 9.0, 0.5, np.array([[1.0, 3.0], [1.0, 3.0]]), False, False)
    (1, 2.0)
    """
    if large or low == high:
        return None
    if zero_or_large and low <= 0 <= high:
        return ZERO_OR_LARGE, 0.0
    sign = 1.0 if point >= 0 else -1.0
    near, far = stretches[0 if sign > 0 else 1]
    if shape.kink is not None:
        at = sign * shape.kink
    elif far > near:
        inside = MARGIN * (far - near)
        at = sign * float(np.clip(sign * point, near + inside, far - inside))
    else:
        at = point
    if not low < at < high:
        at = point
    return (AT_A_POINT, at) if low < at < high else None
