"""A Gram matrix that grows with the working set, and the columns it was made from."""

from typing import TYPE_CHECKING, final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.working_set.design import Design

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]


@final
class GrownGram:
    """Columns of X centred and scaled by the roots of the weights, and their Gram matrix, as far as asked for.

    This is the one mutable object of the engine: a cache that only ever grows.

    Parameters
    ----------
    design : Design
    root : ndarray, shape (n,)
        √v.
    mean : ndarray, shape (d,)
        What is subtracted from the columns: the weighted means, or 0 without an intercept.
    """

    def __init__(self, design: "Design", root: "Floats", mean: "Floats") -> None:
        self.design, self.root, self.mean = design, root, mean
        self.members: Indices = np.zeros(0, dtype=np.intp)
        self.position = np.full(design.shape[1], -1, dtype=np.intp)
        self._columns = np.zeros((design.shape[0], 0), order="F")
        self._gram = np.zeros((0, 0))

    @property
    def columns(self) -> "Floats":
        """The columns of the members, shape (n, m)."""
        return self._columns[:, : len(self.members)]

    @property
    def gram(self) -> "Floats":
        """Their Gram matrix, shape (m, m)."""
        m = len(self.members)
        return self._gram[:m, :m]

    def grow(self, wanted: "Indices") -> None:
        """Add the columns among `wanted` that are not members yet."""
        new = wanted[self.position[wanted] < 0]
        if len(new) == 0:
            return
        old, m = len(self.members), len(self.members) + len(new)
        self._reserve(m)
        part = self.design.columns(new)
        if self.mean.any():
            part -= self.mean[new]
        if not (self.root == 1).all():
            part *= self.root[:, None]
        self._columns[:, old:m] = part
        cross = self._columns[:, :m].T @ part
        self._gram[:m, old:m] = cross
        self._gram[old:m, :old] = cross[:old].T
        self.position[new] = np.arange(old, m)
        self.members = np.concatenate([self.members, new])

    def _reserve(self, m: int) -> None:
        capacity = self._gram.shape[0]
        if m <= capacity:
            return
        capacity = min(max(2 * capacity, m, 64), max(m, self.design.shape[1]))
        old = len(self.members)
        columns, gram = np.empty((self.design.shape[0], capacity), order="F"), np.empty((capacity, capacity))
        columns[:, :old], gram[:old, :old] = self.columns, self.gram
        self._columns, self._gram = columns, gram
