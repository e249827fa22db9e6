"""The k-support norm of vectors, its dual, the scales that attain it and a subgradient."""

import math
from typing import TYPE_CHECKING

import numpy as np

from etatrick.numerics.k_support.arguments import Array, Floats, level, rows
from etatrick.numerics.k_support.ranked import Ranked, Ranks, last, leading

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def k_support_norm(w: "ArrayLike", k: float) -> Array:
    r"""Return the k-support norm of the vectors along the last axis.

    .. math:: \lVert w\rVert_k^2 = \min\Bigl\{\sum_i w_i^2/\eta_i : 0\le\eta_i\le1,\ \sum_i\eta_i\le k\Bigr\}
              = \sum_{i\le t}|w|_{(i)}^2 + \frac1{k-t}\Bigl(\sum_{i>t}|w|_{(i)}\Bigr)^2

    with t the largest number below k such that (k−t)|w|_(t) ≥ Σ_{i>t} |w|_(i) (Argyriou, Foygel, Srebro 2012, in a
    one-sided form that stays exact for vectors with k nonzeros). For integral k its unit ball is the convex hull of
    the k-sparse vectors of length ≤ 1; k = 1 is the ℓ1 norm and k = d the Euclidean norm.

    Parameters
    ----------
    w : array_like, shape (..., d)
        Finite numbers.
    k : float
        1 ≤ k ≤ d; need not be an integer.

    Returns
    -------
    ndarray, shape (...)
        In float32 if `w` is, otherwise in float64; a scalar for one vector.

    Raises
    ------
    InputError
        If `w` is empty or not finite, or k is outside [1, d].

    Examples
    --------
    >>> from etatrick.numerics.k_support import k_support_norm
    >>> float(k_support_norm([3.0, -4.0, 0.0], k=2)), float(k_support_norm([3.0, -4.0, 0.0], k=1))
    (5.0, 7.0)
    """
    read = rows("w", w)
    return read.numbers(magnitudes(read.native, level(k, read.shape[-1])))


def k_support_dual_norm(z: "ArrayLike", k: float) -> Array:
    r"""Return the dual of the k-support norm: the length of the k largest entries.

    .. math:: \lVert z\rVert_{k*}^2 = \max\Bigl\{\sum_i \eta_i z_i^2 : 0\le\eta_i\le1,\ \sum_i\eta_i\le k\Bigr\}

    A fraction of k counts as a fraction of the next square.

    Parameters
    ----------
    z : array_like, shape (..., d)
        Finite numbers.
    k : float
        1 ≤ k ≤ d.

    Returns
    -------
    ndarray, shape (...)

    Raises
    ------
    InputError
        As :func:`k_support_norm`.

    Examples
    --------
    >>> from etatrick.numerics.k_support import k_support_dual_norm
    >>> float(k_support_dual_norm([3.0, -4.0, 1.0], k=2))
    5.0
    """
    read = rows("z", z)
    return read.numbers(dual_magnitudes(read.native, level(k, read.shape[-1])))


def k_support_eta(w: "ArrayLike", k: float) -> Array:
    r"""Return the scales that attain the k-support norm: η_i = min(1, |w_i|/c), c = Σ_{i>t}|w|_(i) / (k−t).

    Entry i of a mask is retained with probability η_i, and k are retained on average. Zero weights get the scale 0;
    with fewer than k nonzeros a part of the budget k stays unused.

    Parameters
    ----------
    w : array_like, shape (..., d)
        Finite numbers.
    k : float
        1 ≤ k ≤ d.

    Returns
    -------
    ndarray, shape (..., d)
        Between 0 and 1.

    Raises
    ------
    InputError
        As :func:`k_support_norm`.

    Examples
    --------
    >>> from etatrick.numerics.k_support import k_support_eta
    >>> k_support_eta([4.0, -1.0, 1.0, 0.0], k=2).tolist()
    [1.0, 0.5, 0.5, 0.0]
    """
    read = rows("w", w)
    return read.vectors(scales(read.matrix, level(k, read.shape[-1])))


def k_support_subgradient(w: "ArrayLike", k: float) -> Array:
    r"""Return a subgradient g of the k-support norm: g = (w/η)/‖w‖, and 0 at the origin.

    Then ‖g‖_* = 1 and ⟨g, w⟩ = ‖w‖ where w ≠ 0; among the subgradients it is the one that vanishes with w. The
    gradient of ½‖w‖² is ‖w‖ g.

    Parameters
    ----------
    w : array_like, shape (..., d)
        Finite numbers.
    k : float
        1 ≤ k ≤ d.

    Returns
    -------
    ndarray, shape (..., d)

    Raises
    ------
    InputError
        As :func:`k_support_norm`.

    Examples
    --------
    >>> from etatrick.numerics.k_support import k_support_subgradient
    >>> k_support_subgradient([0.0, -3.0, 4.0], k=2).tolist()
    [0.0, -0.6, 0.8]
    """
    read = rows("w", w)
    fraction = level(k, read.shape[-1])
    order, rest, unit = leading(read.matrix, math.ceil(fraction))
    saturated, tail = tail_of(order, rest, fraction)
    norm = _length(order, saturated, tail, fraction)
    slope = np.maximum(np.abs(read.matrix) / unit[:, None], (tail / (fraction - saturated))[:, None])
    slope /= np.where(norm > 0, norm, 1.0)[:, None]
    return read.vectors(np.where(read.matrix == 0, 0.0, np.copysign(slope, read.matrix)))


def magnitudes(matrix: Array, k: float) -> Floats:
    """Return the k-support norm of each row, 0 < k ≤ d."""
    order, rest, unit = leading(matrix, math.ceil(k))
    saturated, tail = tail_of(order, rest, k)
    return _length(order, saturated, tail, k) * unit


def dual_magnitudes(matrix: Array, k: float) -> Floats:
    """Return the dual norm of each row, 0 < k ≤ d."""
    number = math.ceil(k)
    order, _, unit = leading(matrix, number)
    squares = order.values**2
    squares[:, 0] *= k - (number - 1)  # the smallest of them counts in part
    return np.asarray(np.sqrt(squares.sum(axis=1)) * unit)


def scales(matrix: Floats, k: float) -> Floats:
    """Return the optimal scales of each row, 0 < k ≤ d."""
    order, rest, unit = leading(matrix, math.ceil(k))
    saturated, tail = tail_of(order, rest, k)
    level_of_one = (tail / (k - saturated))[:, None]
    magnitude = np.abs(matrix) / unit[:, None]
    capped = magnitude >= level_of_one
    eta = np.divide(magnitude, level_of_one, out=np.ones_like(magnitude), where=~capped)
    eta[magnitude == 0] = 0.0
    capped_eta: Floats = np.minimum(eta, 1.0)
    return capped_eta


def tail_of(order: Ranked, rest: Floats, k: float) -> tuple[Ranks, Floats]:
    """Return t of the closed form and the sum of the magnitudes beyond rank t, from the ⌈k⌉ leading ones."""
    every = np.full(order.count, order.length, dtype=np.intp)

    def saturates(rank: Ranks) -> "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]":
        reaches = (k - rank) * order.at(rank) >= rest + order.between(rank, every)
        return np.asarray(reaches)

    saturated = last(np.zeros_like(every), every - 1, saturates)
    return saturated, rest + order.between(saturated, every)


def _length(order: Ranked, saturated: Ranks, tail: Floats, k: float) -> Floats:
    squares = Ranked(order.flat**2, order.count, order.length)
    return np.asarray(np.sqrt(squares.between(np.zeros_like(saturated), saturated) + tail**2 / (k - saturated)))
