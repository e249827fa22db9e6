"""Consecutive groups of a vector: lengths, spreading, and the two shrinkages of the sparse group lasso."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

TINY = 1e-200


@final
@dataclass(frozen=True, eq=False)
class Blocks:
    """A vector cut into consecutive groups of the given sizes, each ≥ 1.

    Parameters
    ----------
    sizes : ndarray of int, shape (G,)

    Examples
    --------
    >>> Blocks(np.array([2, 1])).lengths(np.array([3.0, 4.0, -2.0]))
    array([5., 2.])
    """

    sizes: "Indices"

    @cached_property
    def starts(self) -> "Indices":
        """The first index of each group."""
        return np.cumsum(self.sizes) - self.sizes

    @cached_property
    def label(self) -> "Indices":
        """The group of each index."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    @cached_property
    def single(self) -> bool:
        """Whether all groups have one member."""
        return bool((self.sizes == 1).all())

    @cached_property
    def alike(self) -> "list[Indices]":
        """The indices of the groups of each size, as arrays of shape (groups, size)."""
        found = np.unique(self.sizes)
        return [self.starts[self.sizes == size][:, None] + np.arange(size) for size in found]

    def sums(self, v: "Floats") -> "Floats":
        """Return Σ_{j∈g} v_j per group."""
        if len(v) == 0 or self.single:
            return v
        return np.asarray(np.add.reduceat(v, self.starts), dtype=np.float64)

    def lengths(self, v: "Floats") -> "Floats":
        """Return ‖v_g‖ per group."""
        return np.abs(v) if self.single else np.sqrt(self.sums(v * v))

    def spread(self, values: "Floats") -> "Floats":
        """Return each group's value at each of its members."""
        return values if self.single else values[self.label]

    def most(self, v: "Floats") -> "Floats":
        """Return the largest entry per group."""
        return v if self.single else np.asarray(np.maximum.reduceat(v, self.starts), dtype=np.float64)

    def units(self, v: "Floats") -> "Floats":
        """Return v_g/‖v_g‖, and 0 for groups of zeros."""
        return v / self.spread(np.maximum(self.lengths(v), TINY))

    def shrunk(self, v: "Floats", a: "Floats", t: "Floats | None") -> "Floats":
        """Return the proximal map of Σ a_g‖v_g‖ + Σ t_j|v_j|; `t` None stands for 0."""
        soft = v if t is None else softened(v, t)
        factor = np.maximum(1.0 - a / np.maximum(self.lengths(soft), TINY), 0.0)
        return soft * self.spread(factor)

    def members(self, groups: "Indices") -> "Indices":
        """Return the indices of the members of the chosen groups, in order."""
        sizes = self.sizes[groups]
        inner = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return np.repeat(self.starts[groups], sizes) + inner

    def kept(self, chosen: "NDArray[np.bool_]") -> "tuple[Blocks, Indices]":
        """Return the groups that are left of the chosen indices, as blocks of them, and which they are."""
        counts = np.bincount(self.label[chosen], minlength=len(self.sizes))
        left = np.flatnonzero(counts)
        return Blocks(counts[left]), left


def softened(v: "Floats", t: "Floats") -> "Floats":
    """Return sign(v)·max(|v| − t, 0).

    Examples
    --------
    >>> softened(np.array([-3.0, 0.5]), np.array([1.0, 1.0]))
    array([-2.,  0.])
    """
    return v - np.clip(v, -t, t)


def dual_scale(z: "Floats", a: float, t: "Floats | None") -> float:
    """Return the least s ≥ 0 with ‖S(z, st)‖ ≤ sa: the dual norm of a‖·‖₂ + Σ t_j|·|, exactly, by sorting.

    Between two of the sorted ratios |z_j|/t_j the equation is quadratic in s; it is solved in its stable form.

    Examples
    --------
    >>> dual_scale(np.array([3.0, 4.0]), 1.0, None), dual_scale(np.array([3.0, 4.0]), 0.0, np.ones(2))
    (5.0, 4.0)
    """
    size = np.abs(z)
    if not size.any():
        return 0.0
    if t is None or not t.any():
        largest = float(size.max())
        return np.inf if a == 0 else largest * float(np.sqrt(((size / largest) ** 2).sum())) / a
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(size > 0, size / t, 0.0)
    order = np.argsort(-ratio, kind="stable")
    ratio, size, t = ratio[order], size[order], t[order]
    if a == 0:
        return float(ratio[0])
    squares, cross, bends = np.cumsum(size**2), np.cumsum(size * t), np.cumsum(t**2)
    with np.errstate(invalid="ignore"):
        at = squares - 2 * ratio * cross + ratio**2 * (bends - a**2)
    inside = np.flatnonzero((at <= 0) | np.isinf(ratio))
    k = int(inside[-1]) if len(inside) else 0
    A, B, C = float(bends[k]) - a**2, float(cross[k]), float(squares[k])
    return C / (B + float(np.sqrt(max(B * B - A * C, 0.0))))
