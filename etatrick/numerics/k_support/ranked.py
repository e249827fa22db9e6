"""Rows of magnitudes in order: ranks, counts and sums over ranges of ranks, all rows at once."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from etatrick.numerics.k_support.arguments import HUGE, Array, Floats

Ranks: TypeAlias = NDArray[np.intp]
FEW = 8  # up to so many rows a loop over them is cheaper than a search in step


@final
@dataclass(frozen=True)
class Ranked:
    """Nonnegative numbers in rows; ranks count from 1, the largest of the row."""

    flat: Floats  # rows in ascending order one after the other, and one zero at the end
    count: int
    length: int

    @cached_property
    def values(self) -> Floats:
        """The rows in ascending order, shape (count, length)."""
        return self.flat[:-1].reshape(self.count, self.length)

    @cached_property
    def _ends(self) -> Ranks:
        return np.arange(1, self.count + 1, dtype=np.intp) * self.length

    def at(self, rank: Ranks) -> Floats:
        """Return the number of that rank in each row; rank length + 1 gives 0."""
        inside = rank <= self.length
        taken: Floats = self.flat[np.where(inside, self._ends - rank, self.count * self.length)]
        return taken

    def between(self, low: Ranks, high: Ranks) -> Floats:
        """Return the sums over the ranks low < rank ≤ high, each by pairwise summation."""
        if self.count == 1:
            end = self.length
            return np.array([self.flat[end - int(high[0]) : end - int(low[0])].sum()])
        cuts = np.empty(2 * self.count, dtype=np.intp)
        cuts[::2], cuts[1::2] = self._ends - high, self._ends - low
        if self.count == 0:
            return np.zeros(0)
        return np.where(high > low, np.add.reduceat(self.flat, cuts)[::2], 0.0)

    def reaching(self, bound: Floats) -> Ranks:
        """Return for each row how many of its numbers are ≥ bound."""
        if self.count <= FEW:
            below = [np.searchsorted(row, limit) for row, limit in zip(self.values, bound, strict=True)]
            return self.length - np.array(below, dtype=np.intp)
        none = np.zeros(self.count, dtype=np.intp)
        return last(none, none + self.length, lambda rank: self.at(rank) >= bound)

    def less(self, shift: Floats) -> "Ranked":
        """Return the rows with a number subtracted from each; the zero at the end stays."""
        flat = np.zeros_like(self.flat)
        np.subtract(self.values, shift[:, None], out=flat[:-1].reshape(self.count, self.length))
        return Ranked(flat, self.count, self.length)


def last(low: Ranks, high: Ranks, holds: Callable[[Ranks], NDArray[np.bool_]]) -> Ranks:
    """Return for each row the largest rank in [low, high] for which `holds` is true.

    It must be true up to some rank and false beyond; `low` is returned where it is never true.

    Examples
    --------
    >>> last(np.array([0]), np.array([9]), lambda rank: rank**2 <= 30)
    array([5])
    """
    while (low < high).any():
        middle = (low + high + 1) // 2
        true = holds(middle)
        low, high = np.where(true, middle, low), np.where(true, high, middle - 1)
    return low


def ranked(matrix: Array) -> tuple[Ranked, Floats]:
    """Sort the magnitudes of each row; also return the power of two by which a row was divided, if it is extreme.

    Examples
    --------
    >>> order, unit = ranked(np.array([[1.0, -4.0, 2.0]]))
    >>> order.values, unit
    (array([[1., 2., 4.]]), array([1.]))
    """
    count, length = matrix.shape
    flat = np.empty(count * length + 1)
    flat[-1] = 0.0
    values = flat[:-1].reshape(count, length)
    if matrix.dtype == np.float64:
        np.abs(matrix, out=values)
        values.sort(axis=1)
    else:
        values[:] = np.sort(np.abs(matrix), axis=1)  # sorting in the shorter type is faster
    return Ranked(flat, count, length), scaled(values, values[:, -1])


def leading(matrix: Array, number: int) -> tuple[Ranked, Floats, Floats]:
    """Sort only the `number` largest magnitudes of each row; also return the sum of the others, and the unit.

    Examples
    --------
    >>> order, rest, unit = leading(np.array([[1.0, -4.0, 2.0]]), 1)
    >>> order.values, rest
    (array([[4.]]), array([3.]))
    """
    count, length = matrix.shape
    magnitude = np.abs(matrix)
    if number < length:
        magnitude.partition(length - number, axis=1)
    flat = np.empty(count * number + 1)
    flat[-1] = 0.0
    values = flat[:-1].reshape(count, number)
    values[:] = magnitude[:, length - number :]
    values.sort(axis=1)
    unit = scaled(values, values[:, -1].copy())
    others = magnitude[:, : length - number]
    if (unit != 1).any():
        others = others / unit[:, None]
    return Ranked(flat, count, number), others.sum(axis=1, dtype=np.float64), unit


def scaled(values: Floats, largest: Floats) -> Floats:
    """Divide rows of extreme size by a power of two near their largest number, in place, and return these powers."""
    extreme = (largest > HUGE) | ((largest < 1 / HUGE) & (largest > 0))
    unit = np.ones_like(largest)
    if extreme.any():
        exponent = np.clip(np.frexp(largest[extreme])[1], -1000, 1000)
        unit[extreme] = np.ldexp(1.0, exponent)
        values /= unit[:, None]
    return unit
