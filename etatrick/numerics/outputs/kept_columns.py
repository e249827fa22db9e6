"""The columns of a working set and their Gram matrix, kept while the set grows."""

from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.numerics.outputs.implicit import Implicit
from etatrick.numerics.outputs.row_model import Hessian, Shared

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.outputs.posing import OutputsTask

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]


LITTLE = 500  # columns whose Gram matrix is small whatever n
BLOCK = 512  # columns at a time where they are not kept


@final
class KeptColumns:
    """Columns of X, centred where there are intercepts and scaled by √v, with their Gram matrix, as far as asked for.

    Beyond a limit nothing more is kept, and systems are solved in n dimensions. This is the one mutable object of the
    package: a cache that only ever grows.

    Parameters
    ----------
    task : OutputsTask
    """

    def __init__(self, task: "OutputsTask") -> None:
        self.design, self.root, self.mean = task.design, np.sqrt(task.weights), task.mean
        n, d = task.design.shape
        self.limit = d if d <= max(n, LITTLE) else max(n, min(2 * n, d // 2))  # no d × d matrix where d > n
        self.position = np.full(d, -1, dtype=np.intp)
        self.count = 0
        self._columns, self._gram = np.zeros((task.design.shape[0], 0), order="F"), np.zeros((0, 0))

    def hessian(self, chosen: "Indices") -> Hessian:
        """Return the Hessian on the chosen columns, from their Gram matrix where it is not too large."""
        self._offer(chosen)
        if not self._holds(chosen):
            root = np.where(self.root > 0, self.root, 1.0)
            return Implicit(self._fresh(chosen) / root[:, None], self.root**2, None, False)
        where = self.position[chosen]
        return Shared(self._gram[np.ix_(where, where)])

    def product(self, chosen: "Indices", W: "Floats") -> "Floats":
        """Return the centred columns, not scaled, times W (len(chosen), K)."""
        self._offer(chosen)
        root = np.where(self.root > 0, self.root, 1.0)[:, None]
        if self._holds(chosen):
            return np.asarray((self._columns.T[self.position[chosen]].T @ W) / root, dtype=np.float64)
        found = np.zeros((len(self.root), W.shape[1]))
        for begin in range(0, len(chosen), BLOCK):
            part = slice(begin, begin + BLOCK)
            found += self._fresh(chosen[part]) @ W[part]
        return np.asarray(found / root, dtype=np.float64)

    def _offer(self, chosen: "Indices") -> None:
        new = chosen[self.position[chosen] < 0]
        if len(new) and self.count + len(new) <= self.limit:
            self._take(new)

    def _holds(self, chosen: "Indices") -> bool:
        return bool((self.position[chosen] >= 0).all())

    def _fresh(self, chosen: "Indices") -> "Floats":
        return np.asarray((self.design.columns(chosen) - self.mean[chosen]) * self.root[:, None], dtype=np.float64)

    def _take(self, new: "Indices") -> None:
        old, m = self.count, self.count + len(new)
        if m > len(self._gram):
            size = min(max(2 * len(self._gram), m, 64), self.limit)
            columns, gram = np.empty((len(self.root), size), order="F"), np.empty((size, size))
            columns[:, :old], gram[:old, :old] = self._columns[:, :old], self._gram[:old, :old]
            self._columns, self._gram = columns, gram
        self._columns[:, old:m] = self._fresh(new)
        cross = self._columns[:, :m].T @ self._columns[:, old:m]
        self._gram[:m, old:m] = cross
        self._gram[old:m, :old] = cross[:old].T
        self.position[new] = np.arange(old, m)
        self.count = m
