"""One coordinate in closed form: the minimum of ½δt² − zt + λΩ(|t|) over an interval, and its rounding error."""

from dataclasses import dataclass
from functools import singledispatch
from typing import TYPE_CHECKING, Any, final

import numpy as np

from etatrick.numerics.global_search.folded import FoldedShape
from etatrick.numerics.global_search.quadratic import UNIT

if TYPE_CHECKING:
    from numpy.typing import NDArray


@final
@dataclass(frozen=True, eq=False)
class ScalarMinimum:
    """The minimum, where it is attained, and a bound of the rounding error of `value`; arrays of one shape."""

    value: "NDArray[np.float64]"
    point: "NDArray[np.float64]"
    error: "NDArray[np.float64]"


@singledispatch
def scalar_minimum(
    shape: Any,
    lam: float,
    delta: "NDArray[np.float64]",
    z: "NDArray[np.float64]",
    low: "NDArray[np.float64]",
    high: "NDArray[np.float64]",
    large: "NDArray[np.bool_]",
) -> ScalarMinimum:
    r"""Return :math:`\min_{l\le t\le u} \tfrac12\delta t^2 - zt + \lambda\Omega(|t|)`, elementwise.

    Where `large`, Ω is replaced by its height (its value on the set that the coordinate is confined to).
    Each arc of Ω gives a quadratic, minimised at its vertex or an end; an arc that is concave is minimised at an end.

    A penalty of another shape registers its own function.
    An infinite interval needs δ > 0. With u the unit roundoff, the value is right to a small multiple of
    u (δt²/2 + |z||t| + λΩ(∞)) at the points compared, plus the loss from a misplaced vertex.

    Examples
    --------
    >>> one = np.ones(1)
    >>> shape = FoldedShape(jump=0.5, slope=0.0, knee=0.0, flat=0.0)
    >>> found = scalar_minimum(shape, 1.0, one, 3 * one, -np.inf * one, np.inf * one, one < 0)
    >>> found.value, found.point
    (array([-4.]), array([3.]))
    """
    return _folded(shape, lam, delta, z, low, high, large)


def _folded(
    shape: FoldedShape,
    lam: float,
    delta: "NDArray[np.float64]",
    z: "NDArray[np.float64]",
    low: "NDArray[np.float64]",
    high: "NDArray[np.float64]",
    large: "NDArray[np.bool_]",
) -> ScalarMinimum:
    with np.errstate(all="ignore"):
        free = _vertex(z, delta, low, high)
        top = lam * shape.height
        best = _value(delta, z, free, top)
        error = _error(delta, z, free, top, delta, high - low)
        value, point = np.where(large, best, np.inf), free
        for sign in (1.0, -1.0):
            left, right = (low, high) if sign > 0 else (-high, -low)
            a = np.maximum(left, 0.0)
            there = (right >= a) & ~large
            for arc, t, slack in _candidates(shape, lam, delta, sign * z, a, right):
                better = there & (arc < value)
                value, point = np.where(better, arc, value), np.where(better, sign * t, point)
                error = np.where(there, np.maximum(error, slack), error)
        zero = (low <= 0) & (high >= 0) & ~large & (value >= 0)
        value, point = np.where(zero, 0.0, value), np.where(zero, 0.0, point)
    return ScalarMinimum(value, point, error)


def _candidates(
    shape: FoldedShape,
    lam: float,
    delta: "NDArray[np.float64]",
    z: "NDArray[np.float64]",
    a: "NDArray[np.float64]",
    b: "NDArray[np.float64]",
) -> "list[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]]":
    """Return (value, point, error) of every arc on a ≤ t ≤ b, +∞ where the arc is absent."""
    top, push = lam * shape.height, lam * shape.slope
    found = []
    if shape.knee > 0:
        end = np.minimum(b, shape.knee)
        t = _vertex(z - push, delta, a, np.maximum(end, a))
        slack = _error(delta, np.abs(z) + push, t, top, delta, end - a)
        found.append((_absent(_value(delta, z - push, t, 0.0), a > end), t, slack))
    if shape.flat > shape.knee:
        found += _bent(shape, lam, delta, z, np.maximum(a, shape.knee), np.minimum(b, shape.flat))
    start = np.maximum(a, shape.flat)
    t = _vertex(z, delta, np.minimum(start, b), b)
    slack = _error(delta, z, t, top, delta, b - start)
    found.append((_absent(_value(delta, z, t, top), start > b), t, slack))
    return found


def _bent(
    shape: FoldedShape,
    lam: float,
    delta: "NDArray[np.float64]",
    z: "NDArray[np.float64]",
    a: "NDArray[np.float64]",
    b: "NDArray[np.float64]",
) -> "list[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]]":
    """Return the candidates on the falling-slope arc: its ends, and its vertex where it is convex."""
    top, push, bend = lam * shape.height, lam * shape.slope, lam * shape.bend
    gone, width = a > b, np.maximum(b - a, 0.0)
    alpha = delta - bend
    vertex = np.where(alpha > 0, (z - push - bend * shape.knee) / np.where(alpha > 0, alpha, 1.0), a)
    found = []
    for t in (a, b, np.clip(vertex, a, np.maximum(a, b))):
        value = _value(delta, z - push, t, 0.0) - bend * (t - shape.knee) ** 2 / 2
        scale = np.abs(z) + push + bend * (np.abs(t) + shape.knee)
        # why: the sign of δ − λ·bend may itself be wrong by rounding, which bends the arc by that much
        slack = _error(delta, scale, t, top, np.maximum(alpha, 0.0), width) + 4 * UNIT * (delta + bend) * width**2
        found.append((_absent(value, gone), t, np.where(gone, 0.0, slack)))
    return found


def _vertex(
    slope: "NDArray[np.float64]", delta: "NDArray[np.float64]", a: "NDArray[np.float64]", b: "NDArray[np.float64]"
) -> "NDArray[np.float64]":
    """Return the minimiser of ½δt² − slope·t over [a, b], an end where δ = 0."""
    t = np.where(slope == 0, 0.0, slope / delta)
    return np.clip(t, a, b)


def _value(
    delta: "NDArray[np.float64]", slope: "NDArray[np.float64]", t: "NDArray[np.float64]", constant: float
) -> "NDArray[np.float64]":
    """Return ½δt² − slope·t + constant, −∞ at an infinite end that only a zero δ lets through."""
    value = t * (delta * t / 2 - slope) + constant
    return np.where(np.isfinite(t), value, np.where(slope == 0, constant, -np.inf))


def _absent(value: "NDArray[np.float64]", gone: "NDArray[np.bool_]") -> "NDArray[np.float64]":
    return np.where(gone, np.inf, value)


def _error(
    delta: "NDArray[np.float64]",
    scale: "NDArray[np.float64]",
    t: "NDArray[np.float64]",
    top: float,
    curvature: "NDArray[np.float64]",
    width: "NDArray[np.float64]",
) -> "NDArray[np.float64]":
    """Bound the error of a value at t, and what a vertex misplaced by rounding leaves on the table.

    A derivative wrong by r costs at most r²/(2·curvature), and at most r·width.
    """
    size = np.where(np.isfinite(t), np.abs(t), 0.0)
    wrong = 8 * UNIT * (np.abs(scale) + delta * size)
    vertex = np.fmin(np.where(curvature > 0, wrong**2 / (2 * curvature), np.inf), wrong * np.maximum(width, 0.0))
    found: NDArray[np.float64] = 16 * UNIT * (delta * size**2 + np.abs(scale) * size + top) + np.where(
        np.isnan(vertex), 0.0, vertex
    )
    return found
