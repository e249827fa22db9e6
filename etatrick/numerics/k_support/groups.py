"""The k-support norm of group lengths: whole groups of weights share a scale, and k groups are kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import NDArray

from etatrick.errors import InputError
from etatrick.numerics.k_support.arguments import Array, Floats, level, rows, strength
from etatrick.numerics.k_support.norm import dual_magnitudes, magnitudes, scales
from etatrick.numerics.k_support.prox import shrunk
from etatrick.numerics.k_support.ranked import scaled

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@final
@dataclass(frozen=True)
class Partition:
    """Disjoint groups of the indices 0, …, d−1, one after the other."""

    order: NDArray[np.intp]
    starts: NDArray[np.intp]
    sizes: NDArray[np.intp]

    def lengths(self, matrix: Floats) -> Floats:
        """Return the Euclidean lengths of the groups of each row."""
        parts = matrix[:, self.order]
        unit = scaled(parts, np.abs(parts).max(axis=1))
        lengths: Floats = np.sqrt(np.add.reduceat(parts**2, self.starts, axis=1)) * unit[:, None]
        return lengths

    def spread(self, values: Floats) -> Floats:
        """Return one value per index from one value per group."""
        out = np.empty((len(values), len(self.order)))
        out[:, self.order] = np.repeat(values, self.sizes, axis=1)
        return out


def partition(groups: Sequence[Sequence[int]], length: int) -> Partition:
    """Read groups of indices.

    Raises
    ------
    InputError
        If the groups overlap, are empty or do not cover 0, …, d−1.
    """
    try:
        members = [np.array(group, dtype=np.intp).reshape(-1) for group in groups]
    except (TypeError, ValueError):
        raise InputError("groups", "must be sequences of indices", "pass e.g. [[0, 1], [2]]") from None
    sizes = np.array([len(group) for group in members], dtype=np.intp)
    order = np.concatenate(members) if members else np.zeros(0, dtype=np.intp)
    if not len(sizes) or not sizes.all() or not np.array_equal(np.sort(order), np.arange(length)):
        rule = f"must be nonempty and hold each index 0, …, {length - 1} once"
        raise InputError(f"{len(sizes)} groups of {len(order)} indices", rule, "pass e.g. [[0, 1], [2]]")
    return Partition(order, np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.intp), sizes)


def group_k_support_norm(w: "ArrayLike", groups: Sequence[Sequence[int]], k: float) -> Array:
    r"""Return the k-support norm of the vector of group lengths ‖w_g‖₂.

    .. math:: \min\Bigl\{\sum_g \lVert w_g\rVert^2/\eta_g : 0\le\eta_g\le1,\ \sum_g\eta_g\le k\Bigr\}^{1/2}

    Parameters
    ----------
    w : array_like, shape (..., d)
        Finite numbers.
    groups : sequence of sequences of int
        A partition of 0, …, d−1 into G groups.
    k : float
        1 ≤ k ≤ G.

    Returns
    -------
    ndarray, shape (...)
        In float32 if `w` is, otherwise in float64.

    Raises
    ------
    InputError
        If `w` is empty or not finite, the groups are no partition, or k is outside [1, G].

    Examples
    --------
    >>> from etatrick.numerics.k_support import group_k_support_norm
    >>> float(group_k_support_norm([3.0, 4.0, 12.0], [[0, 1], [2]], k=1))
    17.0
    """
    read = rows("w", w)
    parts = partition(groups, read.shape[-1])
    return read.numbers(magnitudes(parts.lengths(read.matrix), level(k, len(parts.sizes))))


def group_k_support_dual_norm(z: "ArrayLike", groups: Sequence[Sequence[int]], k: float) -> Array:
    """Return the dual norm: the length of the k longest groups.

    Parameters
    ----------
    z : array_like, shape (..., d)
        Finite numbers.
    groups, k
        As for :func:`group_k_support_norm`.

    Returns
    -------
    ndarray, shape (...)

    Raises
    ------
    InputError
        As :func:`group_k_support_norm`.

    Examples
    --------
    >>> from etatrick.numerics.k_support import group_k_support_dual_norm
    >>> float(group_k_support_dual_norm([3.0, 4.0, 12.0], [[0, 1], [2]], k=1))
    12.0
    """
    read = rows("z", z)
    parts = partition(groups, read.shape[-1])
    return read.numbers(dual_magnitudes(parts.lengths(read.matrix), level(k, len(parts.sizes))))


def group_k_support_eta(w: "ArrayLike", groups: Sequence[Sequence[int]], k: float) -> Array:
    """Return the scales that attain :func:`group_k_support_norm`, one per weight and equal within groups.

    Parameters
    ----------
    w : array_like, shape (..., d)
        Finite numbers.
    groups, k
        As for :func:`group_k_support_norm`.

    Returns
    -------
    ndarray, shape (..., d)

    Raises
    ------
    InputError
        As :func:`group_k_support_norm`.

    Examples
    --------
    >>> from etatrick.numerics.k_support import group_k_support_eta
    >>> group_k_support_eta([3.0, 4.0, 15.0], [[0, 1], [2]], k=1).tolist()
    [0.25, 0.25, 0.75]
    """
    read = rows("w", w)
    parts = partition(groups, read.shape[-1])
    return read.vectors(parts.spread(scales(parts.lengths(read.matrix), level(k, len(parts.sizes)))))


def prox_group_k_support(w: "ArrayLike", groups: Sequence[Sequence[int]], k: float, beta: float) -> Array:
    """Return the minimiser of ½‖x − w‖² + (β/2)N(x)²; each group keeps its direction.

    Parameters
    ----------
    w : array_like, shape (..., d)
        Finite numbers.
    groups, k
        As for :func:`group_k_support_norm`.
    beta : float
        β ≥ 0, finite.

    Returns
    -------
    ndarray, shape (..., d)

    Raises
    ------
    InputError
        As :func:`group_k_support_norm`, or if β is negative.

    Examples
    --------
    >>> from etatrick.numerics.k_support import prox_group_k_support
    >>> prox_group_k_support([3.0, 4.0, 1.0], [[0, 1], [2]], k=1, beta=1.0).tolist()
    [1.5, 2.0, 0.0]
    """
    read = rows("w", w)
    parts = partition(groups, read.shape[-1])
    fraction, factor = level(k, len(parts.sizes)), strength(beta)
    lengths = parts.lengths(read.matrix)
    kept = shrunk(lengths, fraction, factor)
    ratio = np.divide(kept, lengths, out=np.zeros_like(kept), where=lengths > 0)
    return read.vectors(read.matrix * parts.spread(ratio))
