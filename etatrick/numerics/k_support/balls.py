"""Projections onto the balls of the k-support norm and of its dual: one safeguarded Newton search per vector."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from etatrick.numerics.k_support.arguments import Array, Floats, level, number, rows
from etatrick.numerics.k_support.norm import dual_magnitudes, magnitudes
from etatrick.numerics.k_support.prox import Cut, applied, remainder, threshold
from etatrick.numerics.k_support.ranked import Ranked, ranked

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Secular: TypeAlias = Callable[[Floats], tuple[Floats, Floats]]

STEPS = 200  # far more than Newton needs; bisection alone ends within so many


def project_k_support_ball(w: "ArrayLike", k: float, radius: float = 1.0) -> Array:
    r"""Return the nearest point with ‖x‖_k ≤ radius, for each vector along the last axis.

    Outside the ball it is the proximal map of (β/2)‖·‖² with the β ≥ 0 at which ‖x‖ = radius; 1/‖x‖ is a nearly
    linear function of β, on which Newton's method takes a few steps.

    Parameters
    ----------
    w : array_like, shape (..., d)
        Finite numbers.
    k : float
        1 ≤ k ≤ d.
    radius : float
        > 0.

    Returns
    -------
    ndarray, shape (..., d)

    Raises
    ------
    InputError
        If `w` is empty or not finite, k is outside [1, d] or the radius is not positive.

    Examples
    --------
    >>> from etatrick.numerics.k_support import project_k_support_ball
    >>> project_k_support_ball([3.0, -4.0, 0.0], k=2).round(12).tolist()
    [0.6, -0.8, 0.0]
    """
    read = rows("w", w)
    fraction, bound = level(k, read.shape[-1]), _radius(radius)
    out, norm = read.matrix.copy(), magnitudes(read.matrix, fraction)
    beyond = norm > bound
    if beyond.any():
        outside = read.matrix[beyond]
        order, unit = ranked(outside)
        target, start = unit / bound, (norm[beyond] - bound) / bound
        beta = increased(lambda v: secular(order, fraction, v), start, target)
        out[beyond] = applied(outside, _cut(order, fraction, beta), unit, 1 / (1 + beta))
    return read.vectors(out)


def project_k_support_dual_ball(z: "ArrayLike", k: float, radius: float = 1.0) -> Array:
    r"""Return the nearest point whose dual norm is ≤ radius, for each vector along the last axis.

    What is left, z − x, is the proximal map of radius·‖·‖_k.

    Parameters
    ----------
    z : array_like, shape (..., d)
        Finite numbers.
    k : float
        1 ≤ k ≤ d.
    radius : float
        > 0.

    Returns
    -------
    ndarray, shape (..., d)

    Raises
    ------
    InputError
        As :func:`project_k_support_ball`.

    Examples
    --------
    >>> from etatrick.numerics.k_support import project_k_support_dual_ball
    >>> project_k_support_dual_ball([3.0, -4.0, 0.5], k=1).round(12).tolist()
    [1.0, -1.0, 0.5]
    """
    read = rows("z", z)
    fraction, bound = level(k, read.shape[-1]), _radius(radius)
    out, norm = read.matrix.copy(), dual_magnitudes(read.matrix, fraction)
    beyond = norm > bound
    if beyond.any():
        outside = read.matrix[beyond]
        order, unit = ranked(outside)

        def dual(v: Floats) -> tuple[Floats, Floats]:  # the prox of (v/2)‖·‖_*² has the dual norm ‖x‖/v at β = 1/v
            value, slope = secular(order, fraction, 1 / v)
            return v * value, value - slope / v

        v = increased(dual, (norm[beyond] - bound) / bound, unit / bound)
        out[beyond] = remainder(outside, _cut(order, fraction, 1 / v), unit, 1 / (1 + v))
    return read.vectors(out)


def increased(function: Secular, start: Floats, target: Floats) -> Floats:
    """Return v > 0 at which an increasing function, given with its slope, reaches the target, in each row.

    Examples
    --------
    >>> increased(lambda v: (v**2, 2 * v), np.array([1.0]), np.array([9.0]))
    array([3.])
    """
    v = np.maximum(start, np.finfo(np.float64).tiny)
    low, high = np.zeros_like(v), np.full_like(v, np.inf)
    for _ in range(STEPS):
        value, slope = function(v)
        short = value < target
        low, high = np.where(short, v, low), np.where(short, high, v)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            newton = v + (target - value) / slope
        inside = (newton > low) & (newton < high)
        middle = np.where(np.isinf(high), 4 * v, 0.5 * low + 0.5 * high)
        after = np.where(inside, newton, np.where(value == target, v, middle))
        still = np.abs(after - v) > 4 * np.finfo(np.float64).eps * v
        v = after
        if not still.any():
            break
    return v


def secular(order: Ranked, k: float, beta: Floats) -> tuple[Floats, Floats]:
    """Return 1/‖x‖ and its derivative in β for the proximal maps x of the ranked rows."""
    cut = _cut(order, k, beta)
    none, among, free = np.zeros_like(cut.saturated), cut.nonzero - cut.saturated, k - cut.saturated
    top = Ranked(order.flat**2, order.count, order.length).between(none, cut.saturated)
    mass = order.between(cut.saturated, cut.nonzero)
    share = free + beta * among
    share = np.where(share > 0, share, 1.0)  # the budget is used up, and no entry is left in the middle
    outer, inner = np.sqrt(top) / (1 + beta), np.sqrt(free) * mass / share
    norm = np.hypot(outer, inner)
    return 1 / norm, ((outer / norm) ** 2 / (1 + beta) + (inner / norm) ** 2 * (among / share)) / norm


def _cut(order: Ranked, k: float, beta: Floats) -> Cut:
    return threshold(order, k, np.minimum(beta, 1.0), np.minimum(1 / beta, 1.0))


def _radius(radius: float) -> float:
    return number("radius", radius, "the radius must be finite and > 0", 5e-324, np.inf, "choose radius=1.0, say")
