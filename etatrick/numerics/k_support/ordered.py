"""Norms of ordered weights: the dual weighs ranks, the norm pools adjacent violators; both with their proximal maps."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from etatrick.numerics.k_support.arguments import Array, Floats, rows, strength, weights
from etatrick.numerics.k_support.ranked import scaled

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

TINY = 1e-280  # weights below this fraction of the first count as 0


def ordered_norm(w: "ArrayLike", omega: "ArrayLike") -> Array:
    r"""Return the norm with ordered weights ω of the vectors along the last axis.

    .. math:: N(w)^2 = \min\Bigl\{\sum_i w_i^2/\eta_i : \eta\ge0,\ \eta_{(1)}+\dots+\eta_{(j)}\le\omega_1+\dots+\omega_j
              \text{ for all } j\Bigr\} = \sum_B \Bigl(\sum_B |w|\Bigr)^2 \Big/ \sum_B\omega

    over blocks B of neighbouring ranks, pooled until ω_i/|w|_(i) does not decrease. ω = (1, …, 1, 0, …, 0) with k ones
    gives the k-support norm.

    Parameters
    ----------
    w : array_like, shape (..., d)
        Finite numbers.
    omega : array_like, shape (d,)
        ω_1 ≥ ω_2 ≥ … ≥ ω_d ≥ 0, not all zero.

    Returns
    -------
    ndarray, shape (...)
        In float32 if `w` is, otherwise in float64.

    Raises
    ------
    InputError
        If `w` is empty or not finite, or the weights increase, are negative or all zero.

    Examples
    --------
    >>> from etatrick.numerics.k_support import ordered_norm
    >>> float(ordered_norm([3.0, -4.0], [1.0, 0.0])), float(ordered_norm([3.0, -4.0], [1.0, 1.0]))
    (7.0, 5.0)
    """
    read = rows("w", w)
    omega = weights(omega, read.shape[-1])
    values = np.empty(len(read.matrix))
    for index, row in enumerate(read.matrix):
        pools = pooled(row, omega, 0.0)
        values[index] = np.sqrt(np.sum(pools.mass**2 / pools.weight)) * pools.unit
    return read.numbers(values)


def ordered_dual_norm(z: "ArrayLike", omega: "ArrayLike") -> Array:
    r"""Return the dual norm: :math:`N_*(z)^2 = \sum_j \omega_j |z|_{(j)}^2`.

    Parameters
    ----------
    z : array_like, shape (..., d)
        Finite numbers.
    omega : array_like, shape (d,)
        As for :func:`ordered_norm`.

    Returns
    -------
    ndarray, shape (...)

    Raises
    ------
    InputError
        As :func:`ordered_norm`.

    Examples
    --------
    >>> from etatrick.numerics.k_support import ordered_dual_norm
    >>> float(ordered_dual_norm([3.0, -4.0], [1.0, 1.0]))
    5.0
    """
    read = rows("z", z)
    omega = weights(omega, read.shape[-1])
    values = np.sort(np.abs(read.matrix), axis=1)
    unit = scaled(values, values[:, -1].copy())
    return read.numbers(np.sqrt((values**2 * omega[::-1]).sum(axis=1)) * unit)


def ordered_eta(w: "ArrayLike", omega: "ArrayLike") -> Array:
    r"""Return the scales that attain :func:`ordered_norm`: η_i = |w_i| Σ_B ω / Σ_B |w| for i in block B.

    Zero weights get the scale 0.

    Parameters
    ----------
    w : array_like, shape (..., d)
        Finite numbers.
    omega : array_like, shape (d,)
        As for :func:`ordered_norm`.

    Returns
    -------
    ndarray, shape (..., d)
        Nonnegative.

    Raises
    ------
    InputError
        As :func:`ordered_norm`.

    Examples
    --------
    >>> from etatrick.numerics.k_support import ordered_eta
    >>> ordered_eta([3.0, -4.0, 1.0], [2.0, 1.0, 1.0]).tolist()
    [1.2857142857142856, 1.7142857142857142, 1.0]
    """
    read = rows("w", w)
    omega = weights(omega, read.shape[-1])
    eta = np.zeros_like(read.matrix)
    for row, out in zip(read.matrix, eta, strict=True):
        pools = pooled(row, omega, 0.0)
        out[pools.order] = pools.ranked * np.repeat(pools.weight / pools.mass, pools.sizes)
    return read.vectors(eta)


def prox_ordered(w: "ArrayLike", omega: "ArrayLike", beta: float) -> Array:
    r"""Return the minimiser of ½‖x − w‖² + (β/2)N(x)² for the norm with ordered weights.

    Pool neighbouring ranks until :math:`(\omega_i+\beta)/|w|_{(i)}` does not decrease; in a block B,

    .. math:: |x_i| = |w_i| - \beta\,\frac{\sum_B |w|}{\sum_B\omega + \beta |B|} .

    Parameters
    ----------
    w : array_like, shape (..., d)
        Finite numbers.
    omega : array_like, shape (d,)
        As for :func:`ordered_norm`.
    beta : float
        β ≥ 0, finite.

    Returns
    -------
    ndarray, shape (..., d)

    Raises
    ------
    InputError
        As :func:`ordered_norm`, or if β is negative.

    Examples
    --------
    >>> from etatrick.numerics.k_support import prox_ordered
    >>> prox_ordered([4.0, -2.0, 1.8], [1.0, 1.0, 0.0], beta=1.0).round(4).tolist()
    [2.0, -0.7333, 0.5333]
    """
    read = rows("w", w)
    omega, factor = weights(omega, read.shape[-1]), strength(beta)
    return read.vectors(ordered_shrunk(read.matrix, omega, factor))


def prox_ordered_dual(z: "ArrayLike", omega: "ArrayLike", beta: float) -> Array:
    r"""Return the minimiser of ½‖x − z‖² + (β/2)N_*(x)², by Moreau's identity.

    Parameters
    ----------
    z : array_like, shape (..., d)
        Finite numbers.
    omega : array_like, shape (d,)
        As for :func:`ordered_norm`.
    beta : float
        β ≥ 0, finite.

    Returns
    -------
    ndarray, shape (..., d)

    Raises
    ------
    InputError
        As :func:`prox_ordered`.

    Examples
    --------
    >>> from etatrick.numerics.k_support import prox_ordered_dual
    >>> prox_ordered_dual([4.0, -2.0, 1.0], [1.0, 1.0, 0.0], beta=1.0).tolist()
    [2.0, -1.0, 1.0]
    """
    read = rows("z", z)
    omega, factor = weights(omega, read.shape[-1]), strength(beta)
    if factor == 0:
        return read.vectors(read.matrix.copy())
    strong, weak = min(1.0, factor), 1.0 if factor <= 1 else 1 / factor
    out = np.zeros_like(read.matrix)
    for row, kept in zip(read.matrix, out, strict=True):
        pools = pooled(row, omega * strong, weak)  # (ω + 1/β)/|w|, times the lesser of β and 1
        kept[pools.order] = np.repeat(weak * (pools.mass / pools.weight), pools.sizes) * pools.unit
    return read.vectors(np.copysign(np.minimum(out, np.abs(read.matrix)), read.matrix))


def ordered_shrunk(matrix: Floats, omega: Floats, beta: float) -> Floats:
    """Return the proximal map of each row, β ≥ 0."""
    if beta == 0:
        return matrix.copy()
    out = np.zeros_like(matrix)
    for row, shrunk in zip(matrix, out, strict=True):
        pools = pooled(row, omega, beta)
        top = pools.ranked[pools.starts]  # differences from it are exact where they matter, for β large
        offset = pools.ranked - np.repeat(top, pools.sizes)
        own = _sums(omega[: len(offset)], pools.starts)
        lift = (top * own - beta * _sums(offset, pools.starts)) / pools.weight
        shrunk[pools.order] = np.maximum(offset + np.repeat(lift, pools.sizes), 0.0) * pools.unit
    return np.copysign(out, matrix) + 0.0


@final
@dataclass(frozen=True)
class Pools:
    """The nonzero magnitudes of a vector by rank, in units of `unit`, and the pooled blocks of ranks."""

    order: NDArray[np.intp]
    ranked: Floats
    starts: NDArray[np.intp]
    sizes: NDArray[np.intp]
    mass: Floats
    weight: Floats
    unit: float


def pooled(row: Floats, omega: Floats, beta: float) -> Pools:
    """Pool ranks until Σ(ω + β) / Σ|w| over the blocks does not decrease.

    Ranks of weight ω + β = 0, to hundreds of digits, join the block of the last positive one.
    """
    from scipy.optimize import isotonic_regression

    order = np.argsort(-np.abs(row), kind="stable")[: np.count_nonzero(row)]
    values = np.abs(row[order])[None]
    unit = scaled(values, values[:, 0].copy())[0] if len(order) else 1.0
    ordered, charge = values[0], omega[: len(order)] + beta
    positive = int(np.count_nonzero(charge > TINY * omega[0]))
    if not len(order):
        none = np.zeros(0, dtype=np.intp)
        return Pools(none, ordered, none, none, ordered, ordered, unit)
    level = ordered[:positive].copy()
    level[-1] += ordered[positive:].sum()
    fit = isotonic_regression(level / charge[:positive], weights=charge[:positive], increasing=False)
    starts = np.asarray(fit.blocks[:-1], dtype=np.intp)
    sizes = np.diff(np.append(starts, len(order)))
    return Pools(order, ordered, starts, sizes, _sums(ordered, starts), _sums(charge, starts), unit)


def _sums(values: Floats, starts: NDArray[np.intp]) -> Floats:
    summed: Any = np.add.reduceat(values, starts) if len(starts) else np.zeros(0)
    return np.asarray(summed, dtype=np.float64)
