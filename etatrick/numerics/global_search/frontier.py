"""The growing tree of a search: nodes still open, leaves that are closed, and what is kept of each."""

from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.numerics.global_search.relaxation import Boxes
from etatrick.numerics.global_search.tree import LEAF, ZERO_OR_LARGE, Certificate

if TYPE_CHECKING:
    from numpy.typing import NDArray


@final
class Frontier:
    """Nodes of the tree in arrays that double when they are full; the open ones have a bound that is not final."""

    def __init__(self, d: int, radius: float) -> None:
        self.radius, self.count, self.dimension = radius, 1, d
        self.diagonals: list[NDArray[np.float64]] = []
        self._allocate(256)
        self.low[0], self.high[0] = -radius, radius
        self.open[0] = True

    def _allocate(self, size: int) -> None:
        d = self.dimension
        self.low, self.high = np.zeros((size, d)), np.zeros((size, d))
        self.large, self.point = np.zeros((size, d), dtype=bool), np.zeros((size, d))
        self.children = np.full((size, 2), LEAF)
        self.variable, self.kind = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
        self.at, self.bound = np.zeros(size), np.full(size, -np.inf)
        self.diagonal, self.depth = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
        self.open = np.zeros(size, dtype=bool)

    def _grow(self) -> None:
        kept = dict(vars(self))
        self._allocate(2 * len(self.open))
        for name, array in kept.items():
            if isinstance(array, np.ndarray):
                vars(self)[name][: len(array)] = array

    def boxes(self, rows: "NDArray[np.int64]") -> Boxes:
        """Return the boxes of some nodes."""
        return Boxes(self.low[rows], self.high[rows], self.large[rows])

    def delta(self, rows: "NDArray[np.int64]") -> "NDArray[np.float64]":
        """Return the diagonals of some nodes, shape (B, d)."""
        return np.array([self.diagonals[k] for k in self.diagonal[rows]]).reshape(len(rows), self.dimension)

    def blind(self, rows: "NDArray[np.int64]") -> "NDArray[np.bool_]":
        """Whether a node's diagonal is 0 in a coordinate that is not fixed: without a box it gives no bound."""
        gone = (self.low[rows] == 0) & (self.high[rows] == 0)
        return np.asarray(((self.delta(rows) <= 0) & ~gone).any(axis=1))

    def lowest(self, count: int) -> "NDArray[np.int64]":
        """Return up to `count` open nodes with the lowest bounds."""
        rows = np.flatnonzero(self.open[: self.count])
        if len(rows) > count:
            rows = rows[np.argpartition(self.bound[rows], count)[:count]]
        return rows

    def split(self, row: int, j: int, kind: int, at: float) -> None:
        """Close a node by two children that inherit its point, its diagonal and its bound."""
        while self.count + 2 > len(self.open):
            self._grow()
        left, right = self.count, self.count + 1
        self.count += 2
        self.children[row], self.variable[row], self.kind[row], self.at[row] = (left, right), j, kind, at
        for child in (left, right):
            for array in (self.low, self.high, self.large, self.point, self.bound, self.diagonal):
                array[child] = array[row]
            self.depth[child], self.open[child] = self.depth[row] + 1, True
        if kind == ZERO_OR_LARGE:
            self.low[left, j] = self.high[left, j] = 0.0
            self.large[right, j] = True
        else:
            self.high[left, j] = self.low[right, j] = at
        self.open[row] = False

    def certificate(self) -> Certificate:
        """Return the tree with the data of its leaves."""
        n = self.count
        leaf = self.children[:n, 0] == LEAF
        used, diagonal = np.unique(self.diagonal[:n][leaf], return_inverse=True)
        place = np.zeros(n, dtype=np.int64)
        place[leaf] = diagonal
        return Certificate(
            self.radius,
            self.children[:n].copy(),
            self.variable[:n].copy(),
            self.kind[:n].copy(),
            self.at[:n].copy(),
            np.where(leaf[:, None], self.point[:n], 0.0),
            place,
            np.array([self.diagonals[k] for k in used]),
            np.where(leaf, self.bound[:n], -np.inf),
        )
