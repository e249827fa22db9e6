"""The box norm: scales between two bounds under a budget; an infimal convolution of the k-support norm with ℓ2."""

import math
from typing import TYPE_CHECKING

import numpy as np

from etatrick.numerics.k_support.arguments import Array, Floats, number, rows, strength
from etatrick.numerics.k_support.norm import dual_magnitudes, scales
from etatrick.numerics.k_support.prox import shrunk
from etatrick.numerics.k_support.ranked import scaled

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def box_norm(w: "ArrayLike", a: float, b: float, c: float) -> Array:
    r"""Return the box norm of the vectors along the last axis.

    .. math:: \lVert w\rVert^2 = \min\Bigl\{\sum_i w_i^2/\eta_i : a\le\eta_i\le b,\ \sum_i\eta_i\le c\Bigr\}
              = \min_x \frac{\lVert w-x\rVert_2^2}{a} + \frac{\lVert x\rVert_k^2}{b-a}, \qquad k = \frac{c-da}{b-a}

    (McDonald, Pontil, Stamos 2014). On singular values it is the cluster norm of multitask learning.

    Parameters
    ----------
    w : array_like, shape (..., d)
        Finite numbers.
    a, b : float
        0 < a < b, the bounds of the scales.
    c : float
        da ≤ c ≤ db, the budget.

    Returns
    -------
    ndarray, shape (...)
        In float32 if `w` is, otherwise in float64.

    Raises
    ------
    InputError
        If `w` is empty or not finite, or the bounds or the budget are out of order.

    Examples
    --------
    >>> from etatrick.numerics.k_support import box_norm
    >>> float(box_norm([3.0, 4.0], a=0.5, b=1.0, c=2.0)), float(box_norm([3.0, 4.0], a=0.25, b=1.0, c=0.5))
    (5.0, 10.0)
    """
    read = rows("w", w)
    level = box_level(read.shape[-1], a, b, c)
    matrix = read.matrix.copy()
    unit = scaled(matrix, np.abs(matrix).max(axis=1))
    eta = _scales(matrix, a, b, level)
    return read.numbers(np.sqrt((matrix**2 / eta).sum(axis=1)) * unit)


def box_dual_norm(z: "ArrayLike", a: float, b: float, c: float) -> Array:
    r"""Return the dual of the box norm: :math:`\lVert z\rVert_*^2 = a\lVert z\rVert_2^2 + (b-a)\lVert z\rVert_{k*}^2`.

    Parameters
    ----------
    z : array_like, shape (..., d)
        Finite numbers.
    a, b, c : float
        As for :func:`box_norm`.

    Returns
    -------
    ndarray, shape (...)

    Raises
    ------
    InputError
        As :func:`box_norm`.

    Examples
    --------
    >>> from etatrick.numerics.k_support import box_dual_norm
    >>> float(box_dual_norm([3.0, 4.0], a=0.5, b=1.0, c=2.0))
    5.0
    """
    read = rows("z", z)
    level = box_level(read.shape[-1], a, b, c)
    matrix = read.matrix.copy()
    unit = scaled(matrix, np.abs(matrix).max(axis=1))
    top = dual_magnitudes(matrix, level) if level > 0 else np.zeros(len(matrix))
    return read.numbers(np.sqrt(a * (matrix**2).sum(axis=1) + (b - a) * top**2) * unit)


def box_eta(w: "ArrayLike", a: float, b: float, c: float) -> Array:
    """Return the scales in [a, b] that attain :func:`box_norm`; zero weights get the scale a.

    Parameters
    ----------
    w : array_like, shape (..., d)
        Finite numbers.
    a, b, c : float
        As for :func:`box_norm`.

    Returns
    -------
    ndarray, shape (..., d)

    Raises
    ------
    InputError
        As :func:`box_norm`.

    Examples
    --------
    >>> from etatrick.numerics.k_support import box_eta
    >>> box_eta([4.0, 1.0, 0.0], a=0.25, b=1.0, c=1.5).round(6).tolist()
    [1.0, 0.25, 0.25]
    """
    read = rows("w", w)
    return read.vectors(_scales(read.matrix, a, b, box_level(read.shape[-1], a, b, c)))


def prox_box(w: "ArrayLike", a: float, b: float, c: float, beta: float) -> Array:
    r"""Return the minimiser of ½‖z − w‖² + (β/2)‖z‖² for the box norm.

    .. math:: z = \frac{a\,w + \beta\,x}{a+\beta}, \qquad
              x = \operatorname{prox}\text{ of } \tfrac12\tfrac{a+\beta}{b-a}\lVert\cdot\rVert_k^2 \text{ at } w .

    Parameters
    ----------
    w : array_like, shape (..., d)
        Finite numbers.
    a, b, c : float
        As for :func:`box_norm`.
    beta : float
        β ≥ 0, finite.

    Returns
    -------
    ndarray, shape (..., d)

    Raises
    ------
    InputError
        As :func:`box_norm`, or if β is negative.

    Examples
    --------
    >>> from etatrick.numerics.k_support import prox_box
    >>> prox_box([3.0, 4.0], a=0.5, b=1.0, c=2.0, beta=1.0).tolist()
    [1.5, 2.0]
    """
    read = rows("w", w)
    level, factor = box_level(read.shape[-1], a, b, c), strength(beta)
    return read.vectors((a * read.matrix + factor * _sparse_part(read.matrix, a + factor, b - a, level)) / (a + factor))


def box_level(length: int, a: float, b: float, c: float) -> float:
    """Return k = (c − da)/(b − a) after checking the bounds and the budget."""
    number("a", a, "the lower bound must be > 0", 5e-324, math.inf, "choose a=0.1, say; a = 0 is k_support_norm")
    number("b", b, "the upper bound must be finite and exceed a", math.nextafter(a, math.inf), math.inf, "raise b")
    low, high = length * a, length * b
    number("c", c, f"the budget must lie between d·a = {low:g} and d·b = {high:g}", low, high, "change c")
    return min(max((c - low) / (b - a), 0.0), float(length))


def _sparse_part(matrix: Floats, stiffness: float, width: float, level: float) -> Floats:
    part = shrunk(matrix, level, stiffness / width) if level > 0 else np.zeros_like(matrix)
    return part.astype(np.float64, copy=False)


def _scales(matrix: Floats, a: float, b: float, level: float) -> Floats:
    part = _sparse_part(matrix, a, b - a, level)
    return a + (b - a) * (scales(part, level) if level > 0 else part)
