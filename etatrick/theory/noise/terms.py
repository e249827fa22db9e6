"""A normalised covariance as a sum of structured terms, each with a fast ⟨term, UᵀU∘VᵀV⟩."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar, Final, final

import numpy as np

from etatrick.theory.noise.arguments import Floats, Integers

CHUNK: Final = 2**21
"""Most numbers held in one intermediate array."""


class Term(ABC):
    """A symmetric d × d matrix T that is not formed.

    Examples
    --------
    >>> Diagonal(np.array([1.0, 2.0])).inner(np.eye(2), np.eye(2))
    3.0
    """

    density: ClassVar[int]
    """Order in which terms are multiplied entry by entry: the sparser one keeps its form."""

    @abstractmethod
    def entries(self, rows: Integers, cols: Integers) -> Floats:
        """Return T_ij for broadcast index arrays."""

    @abstractmethod
    def inner(self, U: Floats, V: Floats) -> float:
        """Return Σ_ij T_ij ⟨u_i,u_j⟩⟨v_i,v_j⟩ for the columns of U (a × d) and V (N × d)."""

    @abstractmethod
    def times(self, other: "Term") -> "Term":
        """Return the entrywise product with a term of at least this density."""


def hadamard(first: Term, second: Term) -> Term:
    """Return the entrywise product of two terms."""
    sparse, dense = sorted((first, second), key=lambda t: t.density)
    return sparse.times(dense)


@final
@dataclass(frozen=True, eq=False)
class Diagonal(Term):
    """A diagonal matrix: cost O(d(a+N))."""

    values: Floats
    density: ClassVar[int] = 0

    def entries(self, rows: Integers, cols: Integers) -> Floats:
        """Return T_ij."""
        return np.where(rows == cols, self.values[rows], 0.0)

    def inner(self, U: Floats, V: Floats) -> float:
        """Return Σ T_ii ‖u_i‖²‖v_i‖²."""
        return float(self.values @ (_squares(U) * _squares(V)))

    def times(self, other: Term) -> Term:
        """Return the entrywise product."""
        rows = np.arange(len(self.values))
        return Diagonal(self.values * other.entries(rows, rows))


@final
@dataclass(frozen=True, eq=False)
class Pairs(Term):
    """A sparse matrix given by its entries with i ≤ j: cost O(entries × (a+N))."""

    rows: Integers
    cols: Integers
    values: Floats
    size: int
    density: ClassVar[int] = 1

    def entries(self, rows: Integers, cols: Integers) -> Floats:
        """Return T_ij."""
        keys = self.rows * self.size + self.cols
        order = np.argsort(keys)
        wanted = np.minimum(rows, cols) * self.size + np.maximum(rows, cols)
        place = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)]
        return np.where(keys[place] == wanted, self.values[place], 0.0)

    def inner(self, U: Floats, V: Floats) -> float:
        """Return the sum over the stored pairs, doubled off the diagonal."""
        left, right = np.ascontiguousarray(U.T), np.ascontiguousarray(V.T)
        weights = np.where(self.rows == self.cols, self.values, 2 * self.values)
        step = max(1, CHUNK // (len(U) + len(V)))
        total = 0.0
        for k in range(0, len(weights), step):
            i, j = self.rows[k : k + step], self.cols[k : k + step]
            first = np.einsum("ij,ij->i", left[i], left[j])
            total += float(weights[k : k + step] @ (first * np.einsum("ij,ij->i", right[i], right[j])))
        return total

    def times(self, other: Term) -> Term:
        """Return the entrywise product."""
        return Pairs(self.rows, self.cols, self.values * other.entries(self.rows, self.cols), self.size)


@final
@dataclass(frozen=True, eq=False)
class BlockConstant(Term):
    """One number per diagonal block, zero elsewhere: Σ_b c_b ‖U_b V_bᵀ‖² at cost O(d min(r(a+N), aN))."""

    sizes: tuple[int, ...]
    values: Floats
    density: ClassVar[int] = 2

    def entries(self, rows: Integers, cols: Integers) -> Floats:
        """Return T_ij."""
        owner = np.repeat(np.arange(len(self.sizes)), self.sizes)
        return np.where(owner[rows] == owner[cols], self.values[owner[rows]], 0.0)

    def inner(self, U: Floats, V: Floats) -> float:
        """Return Σ_b c_b ‖U_b V_bᵀ‖²."""
        total = 0.0
        for run, size, start in _runs(self.sizes):
            width = len(run) * size
            total += float(self.values[run] @ _products(U[:, start : start + width], V[:, start : start + width], size))
        return total

    def times(self, other: Term) -> Term:
        """Return the entrywise product: blocks of the common refinement, scaled blocks, or a full matrix."""
        if isinstance(other, Constant):
            return BlockConstant(self.sizes, self.values * other.value)
        if not isinstance(other, BlockConstant):
            return _full(self, other, sum(self.sizes))
        ends = [np.cumsum(self.sizes), np.cumsum(other.sizes)]
        cuts = np.union1d(*ends)
        mine, theirs = (np.searchsorted(e, cuts) for e in ends)
        sizes = tuple(np.diff(cuts, prepend=0).tolist())
        return BlockConstant(sizes, self.values[mine] * other.values[theirs])


@final
@dataclass(frozen=True, eq=False)
class Constant(Term):
    """The same number everywhere: c ‖UVᵀ‖² at cost O(d min(aN, d(a+N)))."""

    value: float
    density: ClassVar[int] = 4

    def entries(self, rows: Integers, cols: Integers) -> Floats:
        """Return T_ij."""
        return np.full(np.broadcast_shapes(rows.shape, cols.shape), self.value)

    def inner(self, U: Floats, V: Floats) -> float:
        """Return c ‖UVᵀ‖²."""
        return self.value * float(_products(U, V, U.shape[1])[0])

    def times(self, other: Term) -> Term:
        """Return the entrywise product."""
        return Constant(self.value * float(other.entries(np.zeros(1, np.int64), np.zeros(1, np.int64))[0]))


@final
@dataclass(frozen=True, eq=False)
class Full(Term):
    """A matrix without structure: cost O(d²(a+N))."""

    matrix: Floats
    density: ClassVar[int] = 3

    def entries(self, rows: Integers, cols: Integers) -> Floats:
        """Return T_ij."""
        return np.asarray(self.matrix[rows, cols], dtype=np.float64)

    def inner(self, U: Floats, V: Floats) -> float:
        """Return the sum, a strip of rows at a time."""
        step = max(1, CHUNK // len(self.matrix))
        parts = (slice(k, k + step) for k in range(0, len(self.matrix), step))
        return float(sum((self.matrix[p] * (U[:, p].T @ U) * (V[:, p].T @ V)).sum() for p in parts))

    def times(self, other: Term) -> Term:
        """Return the entrywise product."""
        return _full(self, other, len(self.matrix))


def _full(first: Term, second: Term, size: int) -> Full:
    rows = np.arange(size)
    grid = (rows[:, None], rows[None, :])
    return Full(first.entries(*grid) * second.entries(*grid))


def _squares(U: Floats) -> Floats:
    return np.asarray(np.einsum("ij,ij->j", U, U), dtype=np.float64)


def _runs(sizes: tuple[int, ...]) -> Iterator[tuple[Integers, int, int]]:
    """Yield runs of equal blocks: their numbers, their size, their first unit."""
    block = start = 0
    for size, group in groupby(sizes):
        count = sum(1 for _ in group)
        yield np.arange(block, block + count), size, start
        block, start = block + count, start + count * size


def _products(U: Floats, V: Floats, r: int) -> Floats:
    """Return ‖U_b V_bᵀ‖² for consecutive blocks of r columns, through the cheaper of r × r and a × N matrices."""
    if r == 1:
        return _squares(U) * _squares(V)
    a, n, count = len(U), len(V), U.shape[1] // r
    found = np.empty(count)
    if r * (a + n) > a * n:
        step = max(1, CHUNK // n)
        for b in range(count):
            block, other = U[:, b * r : (b + 1) * r], V[:, b * r : (b + 1) * r]
            found[b] = sum(float(((block[k : k + step] @ other.T) ** 2).sum()) for k in range(0, a, step))
        return found
    left, right = (M.T.reshape(count, r, len(M)) for M in (U, V))
    step = max(1, CHUNK // (r * r))
    strip = max(1, CHUNK // r)
    for k in range(0, count, step):
        first, second = left[k : k + step], right[k : k + step]
        columns = (first.transpose(0, 2, 1), second.transpose(0, 2, 1))
        strips = (slice(i, i + strip) for i in range(0, r, strip))
        grams = (((first[:, s] @ columns[0]) * (second[:, s] @ columns[1])).sum(axis=(1, 2)) for s in strips)
        found[k : k + step] = sum(grams)
    return found
