"""Proximal maps of ½β‖·‖² for the k-support norm and its dual, by a search over sorted magnitudes."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import NDArray

from etatrick.numerics.k_support.arguments import Array, Floats, level, rows, strength
from etatrick.numerics.k_support.ranked import Ranked, Ranks, last, ranked

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def prox_k_support(w: "ArrayLike", k: float, beta: float) -> Array:
    r"""Return the minimiser of ½‖x − w‖² + (β/2)‖x‖_k² for each vector along the last axis.

    .. math:: |x_i| = \min\Bigl(\frac{|w_i|}{1+\beta},\ \max(|w_i|-\tau, 0)\Bigr), \qquad
              \sum_i \min(1, \max(0, \beta(|w_i|/\tau-1))) = k

    The largest entries are shrunk like ridge regression, those in the middle are soft-thresholded at τ, the others
    vanish. With at most k nonzeros only the ridge remains. Sorting costs O(d log d), the rest O(d).

    Parameters
    ----------
    w : array_like, shape (..., d)
        Finite numbers.
    k : float
        1 ≤ k ≤ d; need not be an integer.
    beta : float
        β ≥ 0, finite.

    Returns
    -------
    ndarray, shape (..., d)
        In float32 if `w` is, otherwise in float64.

    Raises
    ------
    InputError
        If `w` is empty or not finite, k is outside [1, d] or β is negative.

    Examples
    --------
    >>> from etatrick.numerics.k_support import prox_k_support
    >>> prox_k_support([4.0, -2.0, 1.0], k=2, beta=1.0).tolist()
    [2.0, -1.0, 0.0]
    >>> prox_k_support([4.0, -2.0, 1.8], k=2, beta=1.0).round(4).tolist()
    [2.0, -0.7333, 0.5333]
    """
    read = rows("w", w)
    fraction, factor = level(k, read.shape[-1]), strength(beta)
    return read.vectors(shrunk(read.native, fraction, factor))


def prox_k_support_dual(z: "ArrayLike", k: float, beta: float) -> Array:
    r"""Return the minimiser of ½‖x − z‖² + (β/2)‖x‖_{k*}², the dual norm squared.

    By Moreau's identity x = z − prox of ‖·‖_k²/(2β) at z, which is x_i = z_i max(|z_i|/(1+β), min(|z_i|, τ))/|z_i|.

    Parameters
    ----------
    z : array_like, shape (..., d)
        Finite numbers.
    k : float
        1 ≤ k ≤ d.
    beta : float
        β ≥ 0, finite.

    Returns
    -------
    ndarray, shape (..., d)

    Raises
    ------
    InputError
        As :func:`prox_k_support`.

    Examples
    --------
    >>> from etatrick.numerics.k_support import prox_k_support_dual
    >>> prox_k_support_dual([4.0, -2.0, 1.0], k=2, beta=1.0).tolist()
    [2.0, -1.0, 1.0]
    """
    read = rows("z", z)
    fraction, factor = level(k, read.shape[-1]), strength(beta)
    if factor == 0:
        return read.vectors(read.matrix.copy())
    order, unit = ranked(read.matrix)
    ones = np.ones(order.count)
    strong, weak = (1.0, factor) if factor <= 1 else (1 / factor, 1.0)  # 1/β takes the place of β
    cut = threshold(order, fraction, strong * ones, weak * ones)
    return read.vectors(remainder(read.matrix, cut, unit, ones / (1 + factor)))


def shrunk(matrix: Array, k: float, beta: float) -> Array:
    """Return the proximal map of each row, 0 < k ≤ d, β ≥ 0."""
    if beta == 0:
        return matrix.copy()
    order, unit = ranked(matrix)
    ones = np.ones(order.count)
    weak, strong = (1.0, beta) if beta <= 1 else (1 / beta, 1.0)
    cut = threshold(order, k, strong * ones, weak * ones)
    return applied(matrix, cut, unit, ones / (1 + beta))


@final
@dataclass(frozen=True)
class Cut:
    """The threshold τ = reference − excess of each row, with the ranks that are saturated and that stay nonzero.

    For β > 1 the reference is the entry of rank ⌈k⌉, close to τ, so that |w| − τ has no cancellation.
    """

    reference: Floats
    excess: Floats
    saturated: Ranks
    nonzero: Ranks


def threshold(order: Ranked, k: float, strong: Floats, weak: Floats) -> Cut:
    """Return τ for β = strong/weak in each row, where the larger of the two is 1."""
    count, length, number = order.count, order.length, math.ceil(k)
    first = np.full(count, number, dtype=np.intp)
    every = np.full(count, length, dtype=np.intp)
    whole = np.full(count, math.floor(k), dtype=np.intp)
    sparse = order.at(whole + 1) == 0  # at most k nonzeros: only the ridge remains
    reference = np.where((weak < 1) & ~sparse, order.at(first), 0.0)
    moved = order.less(reference) if reference.any() else order

    def saturated_at(rank: Ranks) -> Ranks:
        """Count the entries with β(|w| − τ) ≥ τ for τ the entry of that rank."""
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            bound = moved.at(rank) + order.at(rank) * (weak / strong)
        return np.minimum(moved.reaching(np.where(rank <= length, bound, -np.inf)), rank)

    def is_nonzero(rank: Ranks) -> NDArray[np.bool_]:
        full = saturated_at(rank)
        over = moved.between(full, rank) - (rank - full) * moved.at(rank)
        return np.asarray((full < k) & (strong * over < weak * (k - full) * order.at(rank)))

    nonzero = np.where(sparse, whole, last(first, every, is_nonzero))

    def is_saturated(rank: Ranks) -> NDArray[np.bool_]:
        under = (nonzero - rank) * moved.at(rank) - moved.between(rank, nonzero)
        return np.asarray(under * (weak + strong) >= weak * (nonzero - k) * order.at(rank))

    low = np.minimum(saturated_at(nonzero), whole)
    high = np.minimum(saturated_at(nonzero + 1), whole)
    saturated = np.where(sparse, whole, last(low, high, is_saturated))
    among = nonzero - saturated
    share = weak * (k - saturated) + strong * among
    plain = share > 0  # otherwise k entries are saturated, none is in the middle, and τ may be the next entry
    middle = weak * reference * (k - saturated) - strong * moved.between(saturated, nonzero)
    following = np.where(nonzero < length, moved.at(nonzero + 1), -reference)
    excess = np.where(plain, middle / np.where(plain, share, 1.0), -following)
    return Cut(reference, excess, saturated, nonzero)


def applied(matrix: Array, cut: Cut, unit: Floats, ridge: Floats) -> Array:
    """Return x with |x| = min(ridge·|w|, max(|w| − τ, 0)); `cut` counts in units of `unit`."""
    shrinkage = np.abs(matrix)
    upper = shrinkage * ridge.astype(matrix.dtype)[:, None]
    if cut.reference.any():
        shrinkage -= (cut.reference * unit).astype(matrix.dtype)[:, None]
    shrinkage += (cut.excess * unit).astype(matrix.dtype)[:, None]
    np.minimum(shrinkage, upper, out=shrinkage)
    np.maximum(shrinkage, 0.0, out=shrinkage)
    np.copysign(shrinkage, matrix, out=shrinkage)
    shrinkage += 0.0  # turns -0.0 into 0.0
    return shrinkage


def remainder(matrix: Array, cut: Cut, unit: Floats, ridge: Floats) -> Array:
    """Return w − x with |w − x| = max(ridge·|w|, min(|w|, τ))."""
    kept = np.abs(matrix)
    lower = kept * ridge[:, None]
    np.minimum(kept, ((cut.reference - cut.excess) * unit)[:, None], out=kept)
    np.maximum(kept, lower, out=kept)
    return np.copysign(kept, matrix)
