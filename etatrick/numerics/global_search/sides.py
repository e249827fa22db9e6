"""The convex envelope of ½δt² + λΩ(|t|) over an interval, as three segments on each side of zero."""

from dataclasses import dataclass
from functools import singledispatch
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from etatrick.numerics.global_search.folded import FoldedShape

if TYPE_CHECKING:
    from numpy.typing import NDArray

TANGENT_STEPS: Final = 12


@final
@dataclass(frozen=True, eq=False)
class Segments:
    """Where the segments of the envelope start, how steep they are there, how long they are and how they bend.

    Parameters
    ----------
    pivot : ndarray, shape (d, B)
        The point of the interval nearest to zero.
    start, slope, width, bend : ndarray, shape (6, d, B)
        Three segments to the right of zero and three, mirrored, to the left.
    gap : ndarray, shape (2, 2, d, B)
        Ends of the stretch on which the envelope is a common tangent, for either side.
    """

    pivot: "NDArray[np.float64]"
    start: "NDArray[np.float64]"
    slope: "NDArray[np.float64]"
    width: "NDArray[np.float64]"
    bend: "NDArray[np.float64]"
    gap: "NDArray[np.float64]"

    def variance(self, coef: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Return the variance of the mixture of tangent points that represents `coef`: ∂envelope/∂δ doubled."""
        found = np.zeros_like(coef)
        for side, sign in enumerate((1.0, -1.0)):
            t = sign * coef
            near, far = self.gap[side]
            found = np.maximum(found, np.where((t > near) & (t < far), (t - near) * (far - t), 0.0))
        return found


@singledispatch
def segments(
    shape: Any,
    lam: float,
    delta: "NDArray[np.float64]",
    low: "NDArray[np.float64]",
    high: "NDArray[np.float64]",
    large: "NDArray[np.bool_]",
    near: "NDArray[np.float64]",
) -> Segments:
    """Return the envelope for every coordinate and box; arrays of shape (d, B).

    A penalty of another shape registers its own function, whose segments may be exact only close to `near`.

    Examples
    --------
    ℓ0 with λ = ½ and δ = 1: a line of slope 1 up to t = 1, then ½t² + ½.

    >>> one = np.ones((1, 1))
    >>> far = np.inf * one
    >>> found = segments(FoldedShape(1.0, 0.0, 0.0, 0.0), 0.5, one, -far, far, one < 0, one)
    >>> np.round(found.slope[1, 0], 6), np.round(found.width[1, 0], 6)
    (array([1.]), array([1.]))
    """
    sides = [_side(shape, lam, delta, low, high, large), _side(shape, lam, delta, -high, -low, large)]
    start, slope, width, bend = (np.concatenate([side[k] for side in sides]) for k in range(4))
    gap = np.stack([side[4] for side in sides])
    return Segments(np.clip(0.0, low, high), start, slope, width, bend, gap)


def _side(
    shape: FoldedShape,
    lam: float,
    delta: "NDArray[np.float64]",
    low: "NDArray[np.float64]",
    high: "NDArray[np.float64]",
    large: "NDArray[np.bool_]",
) -> "tuple[NDArray[np.float64], ...]":
    """Return (start, slope, width, bend) of shape (3, d, B) and the tangent's ends, for t ≥ 0."""
    push, curve = lam * shape.slope, lam * shape.bend
    a = np.maximum(low, 0.0)
    b = np.maximum(high, a)
    knee = np.where(large, a, np.clip(shape.knee, a, b))
    flat = np.where(large, a, np.clip(shape.flat, a, b))
    hollow = (delta < curve) | (shape.flat == shape.knee)
    near, far, tangent = _tangent(shape, lam, delta, a, knee, flat, b)
    # why: a kink or a jump matters only if the interval holds it
    hollow &= (far > near) & ~large & (b > shape.knee) & ((a < shape.flat) | ((shape.jump > 0) & (a == 0)))
    t1, t2 = np.where(hollow, near, knee), np.where(hollow, far, flat)
    start = np.stack([a, t1, t2])
    slope = np.stack(
        [delta * a + push, np.where(hollow, tangent, delta * t1 + push - curve * (t1 - shape.knee)), delta * t2]
    )
    with np.errstate(invalid="ignore"):
        width = np.stack([t1 - a, t2 - t1, np.where(np.isfinite(t2), b - t2, 0.0)])
    bend = np.stack([delta, np.where(hollow, 0.0, np.maximum(delta - curve, 0.0)), delta])
    ends = np.stack([np.where(hollow, t1, 0.0), np.where(hollow, t2, 0.0)])
    return start, slope, np.maximum(width, 0.0), bend, ends


def _tangent(
    shape: FoldedShape,
    lam: float,
    delta: "NDArray[np.float64]",
    a: "NDArray[np.float64]",
    knee: "NDArray[np.float64]",
    flat: "NDArray[np.float64]",
    b: "NDArray[np.float64]",
) -> "tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]":
    """Return (t₁, t₂, slope): the line from the first to the last convex arc below ½δt² + λΩ, by Newton steps."""
    top, push = lam * shape.height, lam * shape.slope
    with np.errstate(all="ignore"):
        near, far = a, np.clip(np.sqrt(2 * top / delta), flat, b)
        tangent = np.zeros_like(a)
        for _ in range(TANGENT_STEPS):
            before = tangent
            rise = _height(shape, lam, delta, far, top) - _height(shape, lam, delta, near, top)
            tangent = np.where(far > near, rise / (far - near), delta * near + push)
            near = np.clip((tangent - push) / delta, a, knee)
            far = np.clip(tangent / delta, flat, b)
            if np.allclose(tangent, before, rtol=1e-14, atol=0.0, equal_nan=True):
                break
    return near, far, tangent


def _height(
    shape: FoldedShape, lam: float, delta: "NDArray[np.float64]", t: "NDArray[np.float64]", top: float
) -> "NDArray[np.float64]":
    return delta * t * t / 2 + lam * shape.value(t)
