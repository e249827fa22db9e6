"""The columns of the working set, and the quadratic part of the models on it."""

from dataclasses import replace
from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.numerics.groups.blocks import Blocks
from etatrick.numerics.groups.curvatures import Curvature, Gram, Products
from etatrick.numerics.losses import Squared

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.groups.posing import GroupTask

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

DENSE = 500  # columns up to which a Gram matrix repays its cost
TALL = 4  # rows per column from which it always does


@final
class Gathered:
    """The groups gathered so far and their columns; for the squared loss also the Gram matrix, as far as asked for.

    It is a cache that only grows.

    Parameters
    ----------
    problem : GroupTask
    """

    def __init__(self, problem: "GroupTask") -> None:
        self.problem = problem
        task = problem.task
        self.constant = isinstance(task.loss, Squared)
        self.plain = not task.intercept and bool((task.weights == 1).all())
        self.groups: Indices = np.zeros(0, dtype=np.intp)
        self.member = np.zeros(len(problem.charge.blocks.sizes), dtype=np.bool_)
        self.index: Indices = np.zeros(0, dtype=np.intp)
        self._columns = np.zeros((task.design.shape[0], 0), order="F")
        self._adapted = self._columns
        self._mean = np.zeros(0)
        self._gram, self._known = np.zeros((0, 0)), 0
        self._products: Products | None = None

    @property
    def columns(self) -> "Floats":
        """The columns of the groups, as they are in X."""
        return self._columns[:, : len(self.index)]

    def grow(self, wanted: "Indices") -> None:
        """Add the groups among `wanted` that are not here yet."""
        new = wanted[~self.member[wanted]]
        if len(new) == 0:
            return
        members = self.problem.charge.blocks.members(new)
        old, m = len(self.index), len(self.index) + len(members)
        if m > self._columns.shape[1]:
            wider = np.empty((self._columns.shape[0], min(max(4 * m, 64), max(m, len(self.problem.order)))), order="F")
            wider[:, :old] = self.columns
            self._columns = wider
        self.problem.fill(self._columns[:, old:m], members)
        self.member[new] = True
        self.groups, self.index = np.concatenate([self.groups, new]), np.concatenate([self.index, members])

    def curvature(self, theta: "Floats", chosen: "Indices", ridge: float) -> "tuple[Curvature, Floats]":
        """Return XᵀDX + ρI of the chosen groups (by their place here), centred by D, and the means of the columns.

        Parameters
        ----------
        theta : ndarray, shape (n,)
            Where the curvature D of the data term is taken; of no matter for the squared loss.
        chosen : ndarray of int
            In increasing order.
        ridge : float
        """
        blocks = Blocks(self.problem.charge.blocks.sizes[self.groups])
        every = len(chosen) == len(self.groups)
        inner = blocks.members(chosen)
        index = slice(None) if every else inner
        own = blocks if every else Blocks(blocks.sizes[chosen])
        if self.constant:
            columns, mean = self._weighted()
            mean = mean[index]
            n, m = columns.shape
            if m <= DENSE or n >= TALL * m:
                gram = self._grown(columns)
                return Gram(ridge, gram if every else gram[np.ix_(inner, inner)]), mean
            if self._products is None or len(self._products.squares) < m:
                self._products = Products.of(columns, blocks, 0.0, self._products)
            whole = replace(self._products, ridge=ridge)
            return (whole if every else whole.on(inner)), mean
        columns, mean = self._transformed(self.columns[:, index], self.problem.task.curvature(theta))
        n, m = columns.shape
        if m <= DENSE or n >= TALL * m:
            return Gram(ridge, columns.T @ columns), mean
        return Products.of(columns, own, ridge), mean

    def _transformed(self, columns: "Floats", D: "Floats") -> "tuple[Floats, Floats]":
        if not self.problem.task.intercept:
            return columns * np.sqrt(D)[:, None], np.zeros(columns.shape[1])
        mean = (D @ columns) / D.sum()
        return (columns - mean) * np.sqrt(D)[:, None], mean

    def _weighted(self) -> "tuple[Floats, Floats]":
        """Return all columns, centred and weighted, for the squared loss."""
        if self.plain:
            return self.columns, np.zeros(len(self.index))
        old = self._adapted.shape[1]
        if old < len(self.index):
            fresh, mean = self._transformed(self.columns[:, old:], self.problem.task.weights)
            self._adapted = np.asfortranarray(np.hstack([self._adapted, fresh]))
            self._mean = np.concatenate([self._mean, mean])
        return self._adapted, self._mean

    def _grown(self, columns: "Floats") -> "Floats":
        old, m = self._known, columns.shape[1]
        if old < m:
            if m > self._gram.shape[0]:
                wider = np.empty((2 * m, 2 * m))
                wider[:old, :old] = self._gram[:old, :old]
                self._gram = wider
            fresh = columns[:, old:]
            cross = columns[:, :old].T @ fresh
            self._gram[old:m, old:m] = fresh.T @ fresh
            self._gram[:old, old:m], self._gram[old:m, :old] = cross, cross.T
            self._known = m
        return self._gram[:m, :m]
